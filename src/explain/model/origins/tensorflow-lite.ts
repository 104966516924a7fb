import { liteHints } from "../../tflite/metadata.js";
import type { Origin } from "../facts.js";

/** What a TensorFlow Lite file says of itself: its metadata, the labels packed behind it, the scale of an input of whole numbers. */
export function tensorflowLite(bytes: Uint8Array, file: string): Origin[] {
  const { normalisation, labels } = liteHints(bytes);
  return [
    ...(normalisation ? [scaling(normalisation, file)] : []),
    ...(labels ? [{ from: `${file} (labels packed into it)`, facts: () => ({ labels }) }] : []),
  ];
}

const scaling = (
  { mean, std, from }: NonNullable<ReturnType<typeof liteHints>["normalisation"]>,
  file: string,
): Origin => ({
  from: `${file} (${from})`,
  facts: () => ({ input: { mean, std } }),
});
