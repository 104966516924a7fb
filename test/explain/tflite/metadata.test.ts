import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadModel } from "../../../src/explain/model/load.js";
import { liteHints } from "../../../src/explain/tflite/metadata.js";
import { zipEntries } from "../../../src/explain/zip.js";
import { GOLDEN } from "../twin/golden.js";
import { bytes, flatbuffer, floats, liteFile, type Table, type TensorSpec, wholes } from "./writer.js";

const DESCRIBED = join(GOLDEN, "keras-rescaling", "described.tflite");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "described-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A network of two scores with such an input. */
const withInput = (input: Omit<TensorSpec, "dims">): Uint8Array =>
  liteFile({
    tensors: [{ dims: [1, 2, 2, 2], ...input }, { dims: [2], type: 2, data: wholes(1, 2) }, { dims: [1, 2] }],
    operators: [{ code: 40, inputs: [0, 1], outputs: [2] }],
  });

describe("what a TensorFlow Lite file says of itself stands for a card", () => {
  it("the normalisation of its metadata, and the labels packed behind it", () => {
    const model = loadModel(DESCRIBED);
    expect(model.preprocessing).toMatchObject({ mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5] });
    expect(model.info.labels).toEqual(["part 0", "part 1", "part 2", "part 3", "part 4"]);
    expect(model.notes).toEqual([
      `${DESCRIBED}: pictures are read as ${DESCRIBED} (the metadata in the file) says: stretched to 14x12, bicubic, RGB, (v - 127.5) / 127.5; labels are those of ${DESCRIBED} (labels packed into it)`,
    ]);
  });

  it("unless a card or a file of labels says otherwise, which is said", () => {
    const file = join(folder, "model.tflite");
    copyFileSync(DESCRIBED, file);
    writeFileSync(join(folder, "labels.txt"), "a\nb\nc\nd\ne\n");
    writeFileSync(join(folder, "model.yaml"), "input: { mean: 0, std: 255 }\n");
    const model = loadModel(folder);
    expect(model.preprocessing?.std).toEqual([255, 255, 255]);
    expect(model.info.labels).toEqual(["a", "b", "c", "d", "e"]);
    const [card, labels] = [join(folder, "model.yaml"), join(folder, "labels.txt")];
    expect(model.notes).toEqual([
      `${file} (the metadata in the file) gives mean 127.5, std 127.5, and ${card} mean 0, std 255: ${card} is taken`,
      `class 0 is "part 0" in ${file} (labels packed into it) and "a" in ${labels}: the labels of ${labels} are taken`,
    ]);
  });

  it("the scale of an input in uint8, whose whole numbers are pixels, and of one in int8, whose are pixels less 128", () => {
    const scale = 1 / 128;
    const [mean, std, from] = [[127], [128], "the scale of its input"];
    const uint8 = withInput({ type: 3, scales: [scale], zeroPoints: [127] });
    expect(liteHints(uint8).normalisation).toEqual({ mean, std, from });
    const int8 = withInput({ type: 9, scales: [scale], zeroPoints: [-1] });
    expect(liteHints(int8).normalisation).toEqual({ mean, std, from });
    expect(liteHints(withInput({ type: 3 })).normalisation).toEqual({ mean: [0], std: [1], from });
    expect(liteHints(withInput({})).normalisation).toBeUndefined();
  });

  it("and is none where it is damaged", () => {
    const file = new Uint8Array(readFileSync(DESCRIBED));
    const [entry] = zipEntries(file);
    expect(new TextDecoder().decode(entry!.read(100))).toBe("part 0\npart 1\npart 2\npart 3\npart 4\n");
    expect(() => entry!.read(10)).toThrow();
    // The length of the list of files, in the last record of the archive.
    file[file.length - 12] = 99;
    expect(liteHints(file)).toEqual({});
    expect(zipEntries(floats(1, 2, 3, 4, 5, 6, 7))).toEqual([]);
    expect(liteHints(flatbuffer({}))).toEqual({});
    expect(liteHints(bytes(1, 2))).toEqual({});
  });

  it("and is none where its lists are longer than any network's", () => {
    const withOutputs = (count: number): Uint8Array => {
      const file: Table = { 0: { text: "a" } };
      const outputs = Array.from({ length: count }, (): Table => ({ 6: { tables: [file] } }));
      const about = flatbuffer({ 3: { tables: [{ 3: { tables: outputs } }] } });
      return flatbuffer({
        2: { tables: [{ 0: { tables: [{ 0: { int32s: [1, 2, 2, 3] }, 1: { int8: 3 } }] }, 1: { int32s: [0] } }] },
        4: { tables: [{ 0: { bytes: about } }] },
        6: { tables: [{ 0: { text: "TFLITE_METADATA" }, 1: { int32: 0 } }] },
      });
    };
    expect(liteHints(withOutputs(64)).normalisation).toBeDefined();
    expect(liteHints(withOutputs(65))).toEqual({});
  });
});
