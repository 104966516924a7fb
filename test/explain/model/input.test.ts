import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { loadModel, requirePreprocessing } from "../../../src/explain/model/load.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { framesProgram } from "../../../src/explain/programs/frames.js";
import { node, patched, ramp } from "../onnx/messages.js";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "input-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

type Dims = (number | string)[] | undefined;
const HEAD = [
  node("Conv", ["x", "w"], ["c"]),
  node("GlobalAveragePool", ["c"], ["p"]),
  node("Flatten", ["p"], ["f"]),
  node("Gemm", ["f", "h"], ["scores"]),
];
const constants = (channels: number): Record<string, InitializerInput> => ({
  w: ramp(5, channels, 1, 1),
  h: ramp(5, 4),
});
const straight: NodeInput[] = [node("Relu", ["image"], ["x"]), ...HEAD];
const cast: NodeInput[] = [node("Cast", ["image"], ["x"], { to: 1 }), ...HEAD];
const turned: NodeInput[] = [
  node("Sub", ["image", "mean"], ["s"]),
  node("Transpose", ["s"], ["x"], { perm: [0, 3, 1, 2] }),
  ...HEAD,
];

function put(dims: Dims, card: string, nodes = straight, initializers = constants(3), type = 1): string {
  const model = buildModel({
    inputs: [{ name: "image", dims: ["N", 1, 1, 1] }],
    nodes,
    initializers: { ...initializers, mean: { dims: [1], data: [0.5] } },
    outputs: ["scores"],
  });
  const file = join(folder, "model.onnx");
  const changed = patched(model, (m) => {
    const tensor = m.graph.input[0].type.tensorType;
    tensor.elemType = type;
    if (dims === undefined) tensor.shape = undefined;
    else tensor.shape.dim = dims.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d }));
  });
  writeFileSync(file, changed);
  writeFileSync(join(folder, "model.yaml"), card);
  return file;
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  throw new Error("it was accepted");
}

const SIZE = "input: {width: 16, height: 12}\n";
const MEAN = "input: {width: 16, height: 12, mean: 127.5, std: 127.5}\n";

describe("what a file leaves open of its input comes from the card, or from its first layer", () => {
  it.each<[string, Dims, NodeInput[], number, string]>([
    ["channels, which the first convolution tells", ["N", "c", 12, 16], straight, 3, SIZE],
    ["everything", ["N", "c", "h", "w"], straight, 3, SIZE],
    ["everything of a grey model", ["N", "c", "h", "w"], straight, 1, SIZE],
    ["its shape", undefined, straight, 3, SIZE],
    ["height and width with channels last", ["N", "h", "w", 3], turned, 3, SIZE],
    ["everything with channels last, which a transpose tells", ["N", "h", "w", "c"], turned, 3, SIZE],
    ["one length", ["N", 3, "h", 16], straight, 3, "input: {height: 12}\n"],
  ])("%s", (_what, dims, nodes, channels, card) => {
    const { info } = loadModel(put(dims, card, nodes, constants(channels)));
    expect(info).toMatchObject({ inputWidth: 16, inputHeight: 12, channels });
  });

  it("channels from the card where no layer tells them", () => {
    const flat = [node("Flatten", ["image"], ["f"]), node("Gemm", ["f", "h"], ["scores"])];
    const dense = { h: ramp(2 * 4 * 5, 3) };
    const card = "input: {width: 5, height: 4}\n";
    expect(refusal(() => loadModel(put(["N", "c", 4, 5], card, flat, dense)))).toMatch(
      /leaves its size open \(\[N, \?, 4, 5\]\); give input channels \(3 for colour, 1 for grey\) in its card/,
    );
    const file = put(["N", "c", 4, 5], "input: {width: 5, height: 4, channels: 2}\n", flat, dense);
    expect(loadModel(file).info.channels).toBe(2);
  });
});

describe("what stays open is asked for, and nothing that the card says already", () => {
  it.each([
    ["", "give input width and height in its card model.yaml"],
    ["input: {width: 16}\n", "give input height in its card model.yaml"],
    ["input: {height: 12}\n", "give input width in its card model.yaml"],
  ])("with the card %j", (card, words) => {
    expect(refusal(() => loadModel(put(["N", 3, "h", "w"], card)))).toContain(words);
  });

  it("and a card that contradicts the file is told so", () => {
    const file = put(["N", 3, 12, 16], "input: {channels: 1}\n");
    expect(refusal(() => loadModel(file))).toMatch(/says the input has 1 channels, but the model takes 3$/);
  });
});

describe("one sentence a cause, where pictures cannot become the input", () => {
  it("four channels", () => {
    const file = put(["N", 4, 12, 16], MEAN, straight, constants(4));
    expect(refusal(() => requirePreprocessing(loadModel(file)))).toMatch(
      /model\.onnx: the model takes 4 channels, and pictures have 3 \(colour\) or 1 \(grey\); give its input as a tensor/,
    );
  });

  it("five axes", () => {
    const nodes = [node("Flatten", ["image"], ["f"]), node("Gemm", ["f", "h"], ["scores"])];
    const file = put(["N", 1, 3, 4, 5], MEAN, nodes, { h: ramp(60, 3) });
    expect(refusal(() => loadModel(file))).toMatch(/dims \[N, 1, 3, 4, 5\], which are not those of a picture/);
    const open = put(["N", 1, 3, "h", "w"], MEAN, nodes, { h: ramp(60, 3) });
    expect(refusal(() => loadModel(open))).toMatch(/dims \[N, 1, 3, \?, \?\], which are not those of a picture/);
  });

  it("a row of numbers of another length than the card's picture", () => {
    const rows = [node("Gemm", ["image", "h"], ["scores"])];
    const weights = { h: ramp(60, 3) };
    expect(refusal(() => loadModel(put(["N", 60], "", rows, weights)))).toMatch(
      /60 numbers in a row; give input width/,
    );
    const file = put(["N", 60], "input: {width: 5, height: 4, mean: 0, std: 255}\n", rows, weights);
    expect(refusal(() => requirePreprocessing(loadModel(file)))).toMatch(
      /takes 60 numbers in a row, and a grey picture of 5x4 has 20/,
    );
  });

  it.each([
    [8, "string"],
    [9, "bool"],
    [77, "an unknown type (77)"],
  ])("of element type %d", (type, words) => {
    const file = put(["N", 3, 12, 16], MEAN, straight, constants(3), type);
    expect(refusal(() => loadModel(file))).toBe(
      `${file}: the model's input "image" is ${words}, and numbers are needed; export it with a float32 input`,
    );
  });

  it("a mean that leaves no whole numbers, which the model takes", () => {
    const file = put(["N", 3, 12, 16], "input: {mean: 127.5, std: 127.5}\n", cast, constants(3), 2);
    expect(refusal(() => loadModel(file))).toMatch(
      /model\.yaml: input\.mean \[127\.5.*\] and input\.std \[127\.5.*\] make no whole numbers of pixels, and the model takes uint8/,
    );
  });

  it("no mean and std", () => {
    expect(refusal(() => requirePreprocessing(loadModel(put(["N", 3, 12, 16], ""))))).toMatch(
      /how pictures become the model's input is not known; .* input\.mean and input\.std/,
    );
  });
});

it.each([
  [2, "uint8", [0, 0, 0]],
  [3, "int8", [128, 128, 128]],
])("an input of element type %d takes pixels as they are", (type, _name, mean) => {
  const { preprocessing, network } = loadModel(put(["N", 3, 12, 16], "", cast, constants(3), type));
  expect(preprocessing).toMatchObject({ mean, std: [1, 1, 1] });
  expect(network.layers.map(({ kind }) => kind)).not.toContain("rounding");
});

it("an input of uint8 takes pixels as they are, whatever a file beside it says for one of float32", () => {
  const file = put(["N", 3, 12, 16], "", cast, constants(3), 2);
  const processor = { image_processor_type: "ViTImageProcessor", size: { height: 12, width: 16 } };
  writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify(processor));
  const { preprocessing, inferred, notes } = loadModel(file);
  expect(preprocessing).toMatchObject({ mean: [0, 0, 0], std: [1, 1, 1] });
  expect(inferred.input.mean).toBeUndefined();
  expect(notes.join()).toContain("gives mean and std, and the model takes uint8: it gets pixels as they are");
});

it("a mean of more channels than there are is refused by the name of the file that gives it", () => {
  const file = put(["N", 1, 12, 16], "", straight, constants(1));
  const processor = { image_processor_type: "ViTImageProcessor", image_mean: [0.5, 0.5, 0.5] };
  writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify(processor));
  expect(refusal(() => loadModel(file))).toMatch(/preprocessor_config\.json: input\.mean has 3 values/);
});

it.each([10, 11, 16])("an input of element type %d is one of numbers like any other", (type) => {
  expect(loadModel(put(["N", 3, 12, 16], MEAN, straight, constants(3), type)).preprocessing).toBeDefined();
});

it("a row of numbers is a grey picture where its length is that of the card's", () => {
  const rows = [node("Gemm", ["image", "h"], ["scores"])];
  const file = put(["N", 20], "input: {width: 5, height: 4, mean: 0, std: 255}\n", rows, { h: ramp(20, 3) });
  const model = loadModel(file);
  expect(model.preprocessing).toMatchObject({ width: 5, height: 4, channels: 1 });
  const summary = { top: 3, grid: { rows: 2, columns: 2 }, blur: 0 };
  const program = framesProgram(model.network, DEFAULT_METHOD, requirePreprocessing(model), summary, false);
  expect(program.outputs.map((o) => o.name)).toContain("heatmap");
});

describe("mean and std", () => {
  const image = ["N", 3, 12, 16];
  const preprocessing = (input: string) => {
    const { mean, std } = requirePreprocessing(loadModel(put(image, `input: {${input}}\n`)));
    return { mean, std };
  };
  const TORCH = "mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]";

  it.each([
    [TORCH, "mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]"],
    ["mean: 0.5, std: 0.5", "mean: [127.5], std: [127.5]"],
    ["mean: [0.485, 0.456, 0.406], std: 1", "mean: [123.675, 116.28, 103.53], std: [255]"],
    ["mean: 0, std: 0.226", "mean: [0], std: [57.63]"],
    ["mean: [0.485, 0.456, 0.406]", "mean: [123.675, 116.28, 103.53]"],
  ])("in units of 0..1 are refused with what they are in 0..255: %s", (given, converted) => {
    const message = refusal(() => preprocessing(given));
    expect(message).toContain(join(folder, "model.yaml"));
    expect(message).toContain(`look like units of 0..1, and units of 0..255 pixels are meant; write units: "0..1"`);
    expect(message).toContain(`or ${converted} (`);
  });

  it("are taken in the units that the card names", () => {
    expect(preprocessing(`${TORCH}, units: "0..1"`)).toEqual({
      mean: [123.675, 116.28, 103.53],
      std: [58.395, 57.12, 57.375],
    });
    expect(preprocessing("mean: 0.5, std: 0.5, units: 0..255")).toEqual({
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    });
  });

  it.each([
    "mean: 0, std: 1",
    "mean: [0, 0, 0], std: [1, 1, 1]",
    "mean: 0, std: 255",
    "mean: 127.5, std: 127.5",
    "mean: [103.939, 116.779, 123.68], std: 1",
    "mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]",
    "mean: 1, std: 2",
  ])("in units of 0..255 are taken as they are: %s", (given) => {
    expect(preprocessing(given).mean).toHaveLength(3);
  });
});
