import { FlatTable } from "../flatbuffer.js";
import { ElementType } from "../proto/onnx.js";
import { zipEntries } from "../zip.js";
import { LiteModel, type LiteTensor } from "./schema.js";

/** What a file says of itself that a card would have to say else. */
export interface LiteHints {
  /** `input = (v − mean) / std` for pixels v of 0..255, and where that stands. */
  normalisation?: { mean: number[]; std: number[]; from: string };
  labels?: string[];
}

const MAX_LABEL_BYTES = 4 * 2 ** 20;
const MAX_CHANNELS = 3;
/** Inputs, outputs, and what is said of one of them: lists may share their elements, and a few bytes stand for many. */
const MAX_LISTED = 64;
/** Kinds of files that are named beside a tensor: labels of its axes, and of its values. */
const LABELS = new Set([2, 3]);
const NORMALISATION = 1;

/**
 * What stands in a file beside its network: the metadata of TensorFlow Lite (metadata_schema.fbs, Apache-2.0, the TensorFlow
 * authors), the files packed behind it, and the scale of an input of whole numbers, which is its preprocessing. Metadata that
 * cannot be read is none: the network does not depend on it.
 */
export function liteHints(bytes: Uint8Array): LiteHints {
  try {
    const model = new LiteModel(bytes);
    const [input] = model.inputs;
    const about = aboutNetwork(model);
    const [read] = about?.tables(2, MAX_LISTED) ?? [];
    return {
      normalisation: input === undefined ? undefined : normalisationOf(model.tensor(input), read),
      labels: labelsOf(bytes, about),
    };
  } catch {
    return {};
  }
}

function aboutNetwork(model: LiteModel): FlatTable | undefined {
  const bytes = model.metadata("TFLITE_METADATA");
  return bytes?.length ? FlatTable.root(bytes).tableAt(3, 0) : undefined;
}

function normalisationOf(input: LiteTensor, about: FlatTable | undefined): LiteHints["normalisation"] {
  const { type, quantisation } = input;
  const unit = about
    ?.tables(4, MAX_LISTED)
    .find((u) => u.uint8(0) === NORMALISATION)
    ?.table(1);
  const [mean, std] = [unit?.float32s(0) ?? [], unit?.float32s(1) ?? []];
  const isUsable = [mean, std].every((v) => v.length >= 1 && v.length <= MAX_CHANNELS && v.every(Number.isFinite));
  const said = isUsable && std.every((s) => s > 0) ? { mean, std, from: "the metadata in the file" } : undefined;
  // A pixel of an input in uint8 is the whole number itself, whatever the metadata says for other types.
  if (type === ElementType.uint8) return ofPixels(quantisation?.scales[0] ?? 1, quantisation?.zeroPoints[0] ?? 0);
  if (said || type !== ElementType.int8 || !quantisation) return said;
  return ofPixels(quantisation.scales[0]!, (quantisation.zeroPoints[0] ?? 0) + 128);
}

/** `real = scale · (pixel − zero)`. */
const ofPixels = (scale: number, zero: number): LiteHints["normalisation"] =>
  scale > 0 && Number.isFinite(1 / scale)
    ? { mean: [zero], std: [Number((1 / scale).toPrecision(6))], from: "the scale of its input" }
    : undefined;

function labelsOf(bytes: Uint8Array, about: FlatTable | undefined): string[] | undefined {
  const named = (about?.tables(3, MAX_LISTED) ?? [])
    .flatMap((output) => output.tables(6, MAX_LISTED))
    .filter((file) => LABELS.has(file.int8(2)))
    .map((file) => file.text(0) ?? "");
  const entries = zipEntries(bytes);
  const entry =
    entries.find(({ name }) => named.includes(name)) ?? entries.find(({ name }) => /label[^/]*\.txt$/i.test(name));
  if (!entry) return undefined;
  const text = new TextDecoder().decode(entry.read(MAX_LABEL_BYTES)).trimEnd();
  return text.split(/\r\n|\n|\r/).map((line) => line.trim());
}
