import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readNpy } from "./npy.js";
import type { TwinOptions } from "./twin.js";

export const GOLDEN = fileURLToPath(new URL("../../fixtures/golden/", import.meta.url));
export const INSPECTION = fileURLToPath(new URL("../../fixtures/inspection/", import.meta.url));

/** The R-LRP files of a golden case and the options that stand behind each name. */
export const GOLDEN_MAPS: Record<string, TwinOptions> = {
  "r-lrp-graded": { method: "r-lrp-graded" },
  "r-lrp-graded.one-hot.bounded": { method: "r-lrp-graded", start: "one-hot", inputRule: "bounded" },
  "r-lrp-graded.target-0": { method: "r-lrp-graded", target: 0 },
  "r-lrp-local": { method: "r-lrp-local" },
  "r-lrp": { method: "r-lrp" },
  "r-lrp-constant": { method: "r-lrp-constant" },
  "r-lrp-absolute": { method: "r-lrp-absolute" },
  "r-lrp.contribution": { method: "r-lrp", inputRule: "contribution" },
  "r-lrp.flat": { method: "r-lrp", inputRule: "flat" },
  "r-lrp.target-0": { method: "r-lrp", target: 0 },
  "r-lrp.contrast": { method: "r-lrp", start: "contrast" },
  "r-lrp.rivals": { method: "r-lrp", start: "rivals" },
};

export interface GoldenCase {
  name: string;
  folder: string;
  model: Uint8Array;
  /** Shape of one frame, batch 1. */
  shape: number[];
  frames: Float64Array[];
  logits: Float64Array[];
  target: number[];
  low: number[];
  high: number[];
  /** One map per frame by file name; only the files that the case has. */
  maps: Map<string, Float64Array[]>;
}

const rows = ({ dims, data }: ReturnType<typeof readNpy>): Float64Array[] => {
  const size = data.length / dims[0]!;
  return Array.from({ length: dims[0]! }, (_, k) => Float64Array.from(data.subarray(k * size, (k + 1) * size)));
};

export const goldenNames = (): string[] =>
  readdirSync(GOLDEN)
    .filter((name) => existsSync(join(GOLDEN, name, "model.onnx")))
    .sort();

export function goldenCase(name: string): GoldenCase {
  const folder = join(GOLDEN, name);
  const input = readNpy(join(folder, "input.npy"));
  const present = Object.keys(GOLDEN_MAPS).filter((map) => existsSync(join(folder, `${map}.npy`)));
  const { target, low, high } = JSON.parse(readFileSync(join(folder, "case.json"), "utf8"));
  return {
    name,
    folder,
    model: readFileSync(join(folder, "model.onnx")),
    shape: [1, ...input.dims.slice(1)],
    frames: rows(input),
    logits: rows(readNpy(join(folder, "logits.npy"))),
    target,
    low,
    high,
    maps: new Map(present.map((map) => [map, rows(readNpy(join(folder, `${map}.npy`)))])),
  };
}

/** Largest difference, relative to the largest magnitude of `expected`. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return largest === 0 ? difference : difference / largest;
}
