import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { loadModel, requirePreprocessing } from "../../src/explain/model/load.js";
import { modelRows } from "../../src/frame.js";
import { PictureMemory } from "../../src/pictures/memory.js";
import { readPicture } from "../../src/pictures/picture.js";
import { classifier, type Message, node, patched } from "../explain/onnx/messages.js";
import { temporaryFolder } from "../support/folders.js";

/** What each framework made of a picture, and the files it wrote about that: see `make.py` there. */
const CASES = fileURLToPath(new URL("../fixtures/preprocessing", import.meta.url));

interface Case {
  picture: string;
  size: number;
  files?: Record<string, unknown>;
  metadata?: Record<string, string>;
  card?: unknown;
}

/** Levels of a pixel, of 255, that a framework may differ: those that compute with floats round once, at the end. */
const levels = (name: string): number => (/^(?:transformers|keras-bilinear)/.test(name) ? 1.05 : 0.01);

const names = readdirSync(CASES)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length));

/** A network that takes pictures of this size, with what its exporter wrote into it. */
const network = (size: number, metadata: Record<string, string> = {}): Uint8Array =>
  patched(classifier([node("Relu", ["image"], ["y"])]), (m: Message) => {
    for (const dim of m.graph.input[0].type.tensorType.shape.dim.slice(2)) dim.dimValue = size;
    m.metadataProps = Object.entries(metadata).map(([key, value]) => ({ key, value }));
  });

test("there are cases of each framework", () => {
  const frameworks = new Set(names.map((name) => name.split("-")[0]));
  expect(frameworks).toEqual(new Set(["keras", "timm", "torchvision", "transformers", "ultralytics"]));
});

test.each(names)("a picture becomes the input that the framework makes of it: %s", async (name) => {
  const {
    picture,
    size,
    files = {},
    metadata,
    card,
  }: Case = JSON.parse(readFileSync(join(CASES, `${name}.json`), "utf8"));
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder);
  writeFileSync(join(folder, "model.onnx"), network(size, metadata));
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), JSON.stringify(content));
  if (card) writeFileSync(join(folder, "model.yaml"), stringify(card));
  const model = loadModel(folder);
  const { mean, std, channelOrder, width, height } = requirePreprocessing(model);
  const { memory, layout } = await readPicture(join(CASES, picture), picture, model.info, {
    memory: new PictureMemory(0),
  });
  const { offset, stride } = modelRows(layout);
  const pixels = new Uint8Array(memory);
  const bytes = readFileSync(join(CASES, `${name}.bin`));
  const expected = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  expect(expected).toHaveLength(3 * width * height);
  let worst = 0;
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const v = pixels[offset + stride * y + 3 * x + (channelOrder === "BGR" ? 2 - c : c)]!;
        const wanted = expected[(c * height + y) * width + x]!;
        worst = Math.max(worst, Math.abs((v - mean[c]!) / std[c]! - wanted) * std[c]!);
      }
  expect(worst).toBeLessThanOrEqual(levels(name));
});
