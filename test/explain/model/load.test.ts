import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError, ModelError } from "../../../src/errors.js";
import { loadModel, requirePreprocessing } from "../../../src/explain/model/load.js";
import { classifier, node, patched, ramp } from "../onnx/messages.js";

const model = classifier([node("Relu", ["image"], ["y"])]);
const channelsLast = classifier([node("Transpose", ["image"], ["y"], { perm: [0, 3, 1, 2] })], {}, { channels: 6 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "model-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const put = (name: string, content: string | Uint8Array): string => {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
};

function refusal(given = folder): string {
  try {
    loadModel(given);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  throw new Error("the model was accepted");
}

describe("a model is found", () => {
  it("as a file without a card: labels are numbers, and pictures are refused with what the card should say", () => {
    const loaded = loadModel(put("parts.onnx", model));
    expect(loaded.info).toMatchObject({ name: "parts", inputWidth: 6, inputHeight: 6, channels: 3, fit: "stretch" });
    expect(loaded.info.labels).toEqual(["class 0", "class 1", "class 2", "class 3"]);
    expect(loaded.info.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(() => requirePreprocessing(loaded)).toThrow(/parts\.onnx: .* with input\.mean and input\.std/);
  });

  it("as a file with the card of its name, or one called model.yaml, beside it", () => {
    const file = put("parts.v2.onnx", model);
    put("model.yaml", "name: from model.yaml");
    expect(loadModel(file).info.name).toBe("from model.yaml");
    put("parts.v2.yaml", "name: from its own card");
    expect(loadModel(file).info.name).toBe("from its own card");
  });

  it("as a file without an ending, in a folder with a dot in its name", () => {
    const inner = join(folder, "v1.2");
    mkdirSync(inner);
    put("v1.yaml", "name: of something else");
    writeFileSync(join(inner, "parts"), model);
    expect(loadModel(join(inner, "parts")).info.name).toBe("parts");
  });

  it("as a folder, whose card may name another file", () => {
    put("net.onnx", model);
    put("labels.txt", "ok\r\nhole\r\nscratch\r\ndent\r\n");
    put("model.yaml", "model: net.onnx\ninput: {mean: 127.5, std: [64, 65, 66], channelOrder: BGR, fit: crop}");
    const loaded = loadModel(folder);
    expect(loaded.info).toMatchObject({ name: "net", labels: ["ok", "hole", "scratch", "dent"], fit: "crop" });
    expect(loaded.preprocessing).toEqual({
      width: 6,
      height: 6,
      channels: 3,
      channelOrder: "BGR",
      layout: "NCHW",
      mean: [127.5, 127.5, 127.5],
      std: [64, 65, 66],
    });
  });

  it("with its size from the card where the file leaves it open", () => {
    put(
      "model.onnx",
      patched(model, (m) => {
        m.graph.input[0].type.tensorType.shape.dim.splice(2, 2, { dimParam: "h" }, { dimParam: "w" });
      }),
    );
    expect(refusal()).toContain("give input width and height in its card model.yaml");
    put("model.yaml", "input: {width: 5, height: 9}");
    expect(loadModel(folder).info).toMatchObject({ inputWidth: 5, inputHeight: 9, channels: 3 });
  });

  it("with its channels last where the card says so", () => {
    put(
      "model.onnx",
      patched(channelsLast, (m) => {
        m.graph.input[0].type.tensorType.shape.dim.reverse();
        m.graph.input[0].type.tensorType.shape.dim.unshift({ dimParam: "N" });
        m.graph.input[0].type.tensorType.shape.dim.pop();
        m.graph.initializer[0].dims = [3, 4];
        m.graph.initializer[0].rawData = m.graph.initializer[0].rawData.subarray(0, 48);
      }),
    );
    put("model.yaml", "input: {layout: NHWC}");
    const loaded = loadModel(folder);
    expect(loaded.info).toMatchObject({ inputWidth: 6, inputHeight: 6, channels: 3 });
    expect(loaded.channelAxis).toBe(3);
  });
});

describe("a model that cannot be used is refused in one sentence that names the file", () => {
  it("missing", () => {
    expect(refusal(join(folder, "no.onnx"))).toContain(
      'no.onnx" does not exist; give an ONNX or TensorFlow Lite file, the model.json',
    );
    expect(refusal()).toContain("holds no model.onnx");
    put("model.yaml", "model: other.onnx");
    expect(refusal()).toContain("holds no other.onnx");
  });

  it("a folder where a file should be", () => {
    mkdirSync(join(folder, "model.onnx"));
    expect(refusal()).toMatch(/model\.onnx cannot be read \(it is a folder\)/);
  });

  it("with a card of another size, or of other channels", () => {
    put("model.onnx", model);
    put("model.yaml", "input: {width: 224, height: 224}");
    expect(refusal()).toMatch(/model\.yaml says the input is 224x224 pixels, but the model takes 6x6$/);
    put("model.yaml", "input: {mean: [1, 2], std: 1}");
    expect(refusal()).toMatch(/model\.yaml: input\.mean has 2 values, but the model takes 3 channel\(s\)$/);
  });

  it("with labels missing, too few or too many", () => {
    put("model.onnx", model);
    put("model.yaml", "labels: names.txt");
    expect(refusal()).toContain('the label file "names.txt" does not exist');
    put("names.txt", "a\nb\n");
    expect(refusal()).toMatch(/names\.txt has 2 labels, but the model has 4 classes; it needs one label a line/);
    put("model.yaml", "labels: [a, b, c, d, e]");
    expect(refusal()).toMatch(/model\.yaml has 5 labels, but the model has 4 classes/);
    put("model.yaml", `labels: ${"."}`);
    expect(refusal()).toContain("cannot be read (it is a folder)");
  });
});

describe("weights in a file beside the model", () => {
  const head = ramp(3, 4).data;
  const bytes = new Uint8Array(Float32Array.from([9, 9, ...Array.from(head)]).buffer);
  const external = (location: string, place: Record<string, string> = { offset: "8", length: "48" }): Uint8Array =>
    patched(model, (m) => {
      const [tensor] = m.graph.initializer;
      tensor.rawData = undefined;
      tensor.dataLocation = 1;
      tensor.externalData = Object.entries({ location, ...place }).map(([key, value]) => ({ key, value }));
    });
  const weights = (given: string): number[] => {
    const dense = loadModel(given).network.layers.find((l) => l.kind === "dense");
    return dense?.kind === "dense" ? Array.from(dense.weight.data) : [];
  };

  it("are read from where the model says", () => {
    put("weights.bin", bytes);
    const inside = weights(put("inside.onnx", model));
    expect(weights(put("model.onnx", external("weights.bin")))).toEqual(inside);
    expect(weights(put("model.onnx", external("weights.bin", { offset: "8" })))).toEqual(inside);
  });

  it("tell a model from another of the same file", () => {
    const file = put("model.onnx", external("weights.bin"));
    put("weights.bin", bytes);
    const { info } = loadModel(file);
    expect(loadModel(file).info.identity).toBe(info.identity);
    put(
      "weights.bin",
      bytes.map((byte, k) => (k === 11 ? byte ^ 1 : byte)),
    );
    const other = loadModel(file).info;
    expect(other.sha256).toBe(info.sha256);
    expect(other.identity).not.toBe(info.identity);
  });

  it.each<[string, Uint8Array, string]>([
    ["missing", external("nothing.bin"), 'keeps its weights in "nothing.bin", which is not beside it'],
    ["cut off", external("short.bin"), '"short.bin" is shorter than the model says'],
    ["outside the folder", external("../weights.bin"), "outside its own folder"],
    ["at an absolute path", external("/etc/hostname"), "outside its own folder"],
    ["before the start", external("weights.bin", { offset: "-8", length: "48" }), "impossible place"],
    ["at no place", external("weights.bin", { offset: "eight" }), "impossible place"],
    ["of another size", external("weights.bin", { offset: "0" }), "holds 14 numbers where its dims [3, 4] need 12"],
  ])("%s are refused", (_what, file, reason) => {
    put("weights.bin", bytes);
    put("short.bin", bytes.subarray(0, 50));
    put("model.onnx", file);
    const message = refusal();
    expect(message).toContain(join(folder, "model.onnx"));
    expect(message).toContain(reason);
    expect(() => loadModel(folder)).toThrow(ModelError);
  });

  it("behind a link are read where it stays in the folder, and in a store that keeps model and weights under links", () => {
    const inside = weights(put("inside.onnx", model));
    mkdirSync(join(folder, "data"));
    put("data/w", bytes);
    symlinkSync("data/w", join(folder, "weights.bin"));
    expect(weights(put("model.onnx", external("weights.bin")))).toEqual(inside);

    for (const name of ["blobs", "snapshot"]) mkdirSync(join(folder, name));
    put("blobs/0a", external("model.onnx_data"));
    put("blobs/0b", bytes);
    put("blobs/0c", "a\nb\nc\nd\n");
    put("blobs/0d", "labels: names.txt\n");
    for (const [name, blob] of Object.entries({
      "model.onnx": "0a",
      "model.onnx_data": "0b",
      "names.txt": "0c",
      "model.yaml": "0d",
    }))
      symlinkSync(`../blobs/${blob}`, join(folder, "snapshot", name));
    expect(weights(join(folder, "snapshot"))).toEqual(inside);
    expect(loadModel(join(folder, "snapshot")).info.labels).toEqual(["a", "b", "c", "d"]);
  });

  it("behind a link that leads outside are refused, as are a pointer to them and what is no file", () => {
    mkdirSync(join(folder, "model"));
    put("secret.bin", bytes);
    put("model/model.onnx", external("weights.bin"));
    const at = join(folder, "model", "weights.bin");
    symlinkSync("../secret.bin", at);
    expect(refusal(join(folder, "model"))).toMatch(/"weights\.bin" are a link that leads outside its own folder/);
    rmSync(at);
    put("model/weights.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 56\n");
    expect(refusal(join(folder, "model"))).toMatch(/weights file "weights\.bin" is a Git LFS pointer.*git lfs pull/);
    rmSync(at);
    execFileSync("mkfifo", [at]);
    expect(refusal(join(folder, "model"))).toMatch(/cannot be read \(it is a pipe\)/);
  });
});
