import path from "node:path";
import type { Origin } from "../facts.js";
import { type Look, labelsOf, sideOf } from "./look.js";

/**
 * `metadata.json` beside the `model.json` of a Teachable Machine. Its library cuts the middle square out, lets the browser
 * resize it, and computes v / 127 − 1.
 */
export function teachableMachine(look: Look): Origin[] {
  const found = look.json("metadata.json");
  if (!found) return [];
  const { content, file } = found;
  const side = sideOf(content.imageSize);
  const labels = labelsOf(content.labels);
  if (!labels || !(side || content.tmVersion !== undefined || content.packageName === "@teachablemachine/image"))
    return [];
  const facts = {
    labels,
    input: {
      ...(side && { width: side, height: side }),
      ...(typeof content.grayscale === "boolean" && { channels: content.grayscale ? 1 : 3 }),
      ...{ mean: [127], std: [127], channelOrder: "RGB" as const, fit: "crop" as const },
      ...{ interpolation: "bilinear" as const, antialias: true, cropRounding: "down" as const },
    },
  };
  return [{ from: file, facts: () => facts }];
}

/** `model_unquant.tflite`, as a Teachable Machine names it; its own example computes v / 127.5 − 1 after `ImageOps.fit` by Lanczos. */
export function teachableMachineLite(modelFile: string): Origin[] {
  if (path.basename(modelFile) !== "model_unquant.tflite") return [];
  const input = {
    ...{ mean: [127.5], std: [127.5], channelOrder: "RGB" as const, fit: "crop" as const },
    ...{ interpolation: "lanczos" as const, antialias: true },
  };
  return [{ from: `the name of ${modelFile} (Teachable Machine)`, facts: () => ({ input }) }];
}
