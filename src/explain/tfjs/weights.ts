import { ModelError } from "../../errors.js";
import { listed } from "../../truncate.js";
import { allFinite, firstNotFinite } from "../onnx/finite.js";
import { type Constant, halfToFloat } from "../onnx/tensor.js";

/** Reads a file that lies beside model.json, but no more than `most` bytes of it. */
export type ShardReader = (name: string, most: number) => Uint8Array;

/** An entry of `weightsManifest[].weights`. */
interface WeightSpec {
  name: string;
  shape: number[];
  dtype: string;
  quantization?: { dtype: string; min?: number; scale?: number; original_dtype?: string };
}
export interface WeightGroup {
  paths: string[];
  weights: WeightSpec[];
}

const BYTES: Record<string, number> = { float32: 4, int32: 4, float16: 2, uint16: 2, uint8: 1, bool: 1 };

/** So many bytes more than wanted are read, to say how many there are. */
const EXCESS = 2 ** 20;

const storedAs = (spec: WeightSpec): string => spec.quantization?.dtype ?? spec.dtype;

const corrupt = (how: string): never => {
  throw new ModelError("model-corrupt", how);
};

/** What a weight takes in its file. @throws ModelError where its type is not known */
function bytesOf(spec: WeightSpec): number {
  const stored = storedAs(spec);
  const size = Object.hasOwn(BYTES, stored) ? BYTES[stored] : undefined;
  if (size === undefined)
    throw new ModelError(
      "model-type",
      `weight "${spec.name}" has element type ${stored}, which is not supported; convert the model in float32`,
    );
  return spec.shape.reduce((a, b) => a * b, 1) * size;
}

/**
 * Weights of a TensorFlow.js model by name, quantised ones restored (`value · scale + min`).
 * @throws ModelError where shards are shorter than the manifest says or hold a type that is not known
 */
export function readWeights(groups: readonly WeightGroup[], read: ShardReader): Map<string, Constant> {
  const weights = new Map<string, Constant>();
  for (const { paths, weights: specs } of groups) {
    const wanted = specs.reduce((sum, spec) => sum + bytesOf(spec), 0);
    let left = wanted + EXCESS;
    const refuse = (how: string, what = "them"): never =>
      corrupt(`the weights in ${listed(paths)} ${how}; copy ${what} again`);
    const shards = paths.map((name) => {
      const shard = read(name, left);
      left -= shard.length;
      if (left <= 0) refuse("are longer than model.json says", "both");
      return shard;
    });
    refuseDisorder(paths, shards);
    const bytes = joined(shards);
    let at = 0;
    for (const spec of specs) {
      const stored = storedAs(spec);
      const end = at + bytesOf(spec);
      if (!(Number.isSafeInteger(end) && end <= bytes.length)) refuse(`end before weight "${spec.name}"`);
      const constant = constantOf(spec, stored, new Uint8Array(bytes.subarray(at, end)));
      if (!allFinite(constant.data)) {
        const { value, at: place } = firstNotFinite(constant.data);
        throw new ModelError(
          "model-weights",
          `weight "${spec.name}" holds ${value} at position ${place}, and no score would be a number; convert the model again from finite weights`,
        );
      }
      weights.set(spec.name, constant);
      at = end;
    }
    if (at !== bytes.length) refuse(`are ${bytes.length - at} bytes longer than model.json says`, "both");
  }
  return weights;
}

/** As the converter names and cuts shards: `group1-shard2of3.bin`, all of one length but the last, which may be shorter. */
function refuseDisorder(paths: readonly string[], shards: readonly Uint8Array[]): void {
  const numbers = paths.map((name) => /shard(\d+)of(\d+)/.exec(name));
  if (paths.length < 2 || numbers.some((n) => !n)) return;
  const wrong = numbers.findIndex((n, k) => Number(n![1]) !== k + 1 || Number(n![2]) !== paths.length);
  if (wrong >= 0)
    corrupt(
      `model.json names the weights file "${paths[wrong]}" as number ${wrong + 1} of ${paths.length}, where weights would land in the wrong layers; convert the model again`,
    );
  const { length } = shards[0]!;
  const odd = shards.findIndex((s, k) => (k < shards.length - 1 ? s.length !== length : s.length > length));
  if (odd >= 0)
    corrupt(
      `the weights file "${paths[odd]}" holds ${shards[odd]!.length} bytes and "${paths[0]}" ${length}, where all but the last are of one length; copy them again`,
    );
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** `bytes` is a copy of its own, so that it can be seen as numbers. */
function constantOf(spec: WeightSpec, stored: string, bytes: Uint8Array): Constant {
  const { buffer } = bytes as Uint8Array<ArrayBuffer>;
  const dims = [...spec.shape];
  const { quantization } = spec;
  const raw = numbers(stored, buffer);
  if (quantization && stored !== "float16") {
    const { min = 0, scale = 1 } = quantization;
    const values = Float32Array.from(raw, (v) => v * scale + min);
    return spec.dtype === "int32"
      ? { dims, data: Float64Array.from(values, Math.round), integer: true }
      : { dims, data: values, integer: false };
  }
  return spec.dtype === "float32"
    ? { dims, data: raw instanceof Float32Array ? raw : Float32Array.from(raw), integer: false }
    : { dims, data: Float64Array.from(raw), integer: true };
}

function numbers(type: string, buffer: ArrayBuffer): ArrayLike<number> {
  switch (type) {
    case "float32":
      return new Float32Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "uint16":
      return new Uint16Array(buffer);
    case "float16":
      return Float32Array.from(new Uint16Array(buffer), halfToFloat);
    default:
      return new Uint8Array(buffer);
  }
}
