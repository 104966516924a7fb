import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { loadModel } from "../../src/explain/model/load.js";
import { explainFrames } from "./run.js";
import { INSPECTION, relativeError } from "./twin/golden.js";
import { readOnnx } from "./twin/onnx-reader.js";
import { type TwinOptions, twin } from "./twin/twin.js";

const MODELS = fileURLToPath(new URL("../../models/", import.meta.url));
const PICTURES = ["0003.png", "0011.png"];
const RANGE = { low: [-2, -2, -2], high: [2, 2, 2] };

const OPTIONS: TwinOptions[] = [
  { method: "r-lrp-graded" },
  { method: "r-lrp-local", inputRule: "bounded" },
  { method: "r-lrp" },
  { method: "r-lrp-absolute", start: "contrast" },
  { method: "r-lrp-constant", inputRule: "contribution", target: 2 },
];

/** As the networks were trained: (v / 255 − 0.5) / 0.25, channels first. */
async function picture(name: string): Promise<Float64Array> {
  const { data, info } = await sharp(join(INSPECTION, "images", name))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const area = info.width * info.height;
  return Float64Array.from({ length: 3 * area }, (_, i) =>
    Math.fround((data[(i % area) * 3 + Math.floor(i / area)]! / 255 - 0.5) / 0.25),
  );
}

describe("the trained networks of the inspection station", () => {
  // The twin takes seconds a picture: the deep ones are checked with one option each.
  it.each([
    ["inspection-cnn", OPTIONS],
    ["inspection-vgg", OPTIONS.slice(0, 1)],
    ["inspection-resnet", OPTIONS.slice(0, 1)],
    ["inspection-hybrid", OPTIONS.slice(0, 1)],
  ] as const)("%s is explained as the twin explains it", async (name, all) => {
    const { file, network } = loadModel(join(MODELS, name));
    const model = readOnnx(readFileSync(file));
    const frames = await Promise.all(PICTURES.map(picture));
    for (const given of all) {
      const options = { ...RANGE, ...given };
      const explained = await explainFrames(network, frames, [1, 3, 96, 96], options);
      const n = OPTIONS.indexOf(given) % frames.length;
      const expected = twin(model, frames[n]!, [1, 3, 96, 96], options);
      expect(relativeError(explained[n]!.logits, expected.logits)).toBeLessThan(1e-4);
      expect(relativeError(explained[n]!.relevance, expected.relevance)).toBeLessThan(1e-4);
      expect(explained[n]!.target).toBe(expected.target);
    }
  });
});
