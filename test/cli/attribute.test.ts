import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../../src/explain/model/load.js";
import { DEFAULT_METHOD } from "../../src/explain/options.js";
import { framesProgram } from "../../src/explain/programs/frames.js";
import { classifier, node, ramp } from "../explain/onnx/messages.js";
import { explainFrames, runProgram } from "../explain/run.js";
import { GOLDEN, goldenCase, INSPECTION, relativeError } from "../explain/twin/golden.js";
import { formatNpy, readNpy } from "../explain/twin/npy.js";
import { buildModel } from "../explain/twin/onnx-writer.js";
import { runCli } from "./run-cli.js";

const CNN = fileURLToPath(new URL("../../models/inspection-cnn", import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "attribute-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

describe("attribute on a batch", () => {
  it.each<[name: string, map: string, args: string[]]>([
    ["inverted-residual", "r-lrp-graded", []],
    ["conv-same", "r-lrp", ["--method", "r-lrp", "--threads", "1"]],
    ["keras-se", "r-lrp-absolute", ["--method", "r-lrp-absolute"]],
    ["keras-plain", "r-lrp.contrast", ["--method", "r-lrp", "--start", "contrast"]],
    ["residual", "r-lrp-graded.target-0", ["--target", "0", "--threads", "1", "--engine", "onnxruntime"]],
    ["single-logit", "r-lrp.flat", ["--method=r-lrp", "--input-rule=flat", "--start=one-hot"]],
  ])("of %s writes the golden map %s and an entry per frame", async (name, map, args) => {
    const golden = goldenCase(name);
    const output = at(`${name}.npy`);
    // Values that begin with a minus: apart in one case, joined in the next.
    const range =
      args.length % 2 === 0
        ? ["--low", golden.low.join(","), "--high", golden.high.join(",")]
        : [`--low=${golden.low}`, `--high=${golden.high}`];
    const ended = await runCli([
      "attribute",
      "--model",
      join(golden.folder, "model.onnx"),
      "--input",
      join(golden.folder, "input.npy"),
      ...range,
      ...args,
      "--output",
      output,
    ]);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    const { dims, data } = readNpy(output);
    expect(dims).toEqual([3, ...golden.shape.slice(1)]);
    expect(data).toBeInstanceOf(Float32Array);
    const report = JSON.parse(ended.stdout);
    expect(Object.keys(report)).toEqual(["logits", "probabilities", "target", "l1", "positive", "negative"]);
    for (const entries of Object.values(report)) expect(entries).toHaveLength(3);
    golden.maps.get(map)!.forEach((expected, n) => {
      const size = expected.length;
      expect(relativeError(data.subarray(n * size, (n + 1) * size), expected)).toBeLessThan(1e-4);
      expect(relativeError(report.logits[n], golden.logits[n]!)).toBeLessThan(1e-4);
      expect(report.target[n]).toBe(map.includes("target-0") ? 0 : golden.target[n]);
      expect(report.l1[n]).toBeCloseTo(1, 4);
      expect(report.positive[n] - report.negative[n]).toBeCloseTo(report.l1[n], 6);
      const sum = report.probabilities[n].reduce((a: number, b: number) => a + b, 0);
      if (name !== "single-logit") expect(sum).toBeCloseTo(1, 5);
    });
  });

  it("of a frame through which no relevance flows reports zeros", async () => {
    const golden = goldenCase("dead");
    const ended = await runCli([
      ...["attribute", "--model", join(golden.folder, "model.onnx"), "--input", join(golden.folder, "input.npy")],
      ...["--low", golden.low.join(), "--high", golden.high.join(), "--output", at("dead.npy")],
    ]);
    expect(ended.code).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({ l1: [0, 0, 0], positive: [0, 0, 0] });
    expect(readNpy(at("dead.npy")).data.every((v) => v === 0)).toBe(true);
  });

  it("of a frame whose scores overflow writes nothing that looks like an answer", async () => {
    const large = { dims: [3, 1, 1], data: [1e38, 1e38, 1e38] };
    const nodes = [node("Mul", ["image", "k"], ["a"]), node("Mul", ["a", "k"], ["y"])];
    writeFileSync(at("loud.onnx"), classifier(nodes, { k: large }));
    writeFileSync(at("loud.npy"), formatNpy({ dims: [1, 3, 6, 6], data: new Float32Array(108).fill(2) }));
    const args = ["attribute", "--model", at("loud.onnx"), "--input", at("loud.npy"), "--low", "0", "--high", "1"];
    const ended = await runCli([...args, "--output", at("loud-map.npy")]);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toMatch(/loud\.npy: the scores hold -?(NaN|Infinity), no finite number/);
    expect(existsSync(at("loud-map.npy"))).toBe(false);
  });

  it("longer than one run of the engine gives what single frames give", async () => {
    const golden = goldenCase("dense");
    const frames = Array.from({ length: 37 }, (_, k) => golden.frames[0]!.map((v, i) => v + Math.sin(i + k)));
    const data = Float32Array.from(frames.flatMap((f) => [...f]));
    writeFileSync(at("many.npy"), formatNpy({ dims: [37, ...golden.shape.slice(1)], data }));
    const ended = await runCli([
      ...["attribute", "--model", join(golden.folder, "model.onnx"), "--input", at("many.npy")],
      ...["--low", golden.low.join(), "--high", golden.high.join(), "--output", at("many-out.npy")],
    ]);
    const expected = await explainFrames(golden.model, frames, golden.shape, { low: golden.low, high: golden.high });
    const maps = readNpy(at("many-out.npy")).data;
    expect(JSON.parse(ended.stdout).target).toEqual(expected.map((e) => e.target));
    expect(
      relativeError(
        maps,
        expected.flatMap((e) => [...e.relevance]),
      ),
    ).toBeLessThan(1e-5);
  });
});

describe("attribute on a picture", () => {
  it("reads, fits and normalises it as the card says, and takes the range from the card", async () => {
    const image = join(INSPECTION, "images", readdirSync(join(INSPECTION, "images")).find((f) => f.endsWith(".png"))!);
    const { data } = await sharp(image).raw().toBuffer({ resolveWithObject: true });
    const values = Float32Array.from(
      { length: data.length },
      (_, i) => (data[(i % 9216) * 3 + Math.floor(i / 9216)]! - 127.5) / 63.75,
    );
    writeFileSync(at("picture.npy"), formatNpy({ dims: [1, 3, 96, 96], data: values }));
    const [a, b] = await Promise.all(
      [image, at("picture.npy")].map((input, k) =>
        runCli(["attribute", "--model", CNN, "--input", input, "--output", at(`p${k}.npy`)]),
      ),
    );
    expect(a).toMatchObject({ code: 0, stderr: "" });
    expect(relativeError(JSON.parse(a!.stdout).logits[0], JSON.parse(b!.stdout).logits[0])).toBeLessThan(1e-5);
    expect(relativeError(readNpy(at("p0.npy")).data, readNpy(at("p1.npy")).data)).toBeLessThan(1e-4);
  });

  it.each<[string, "RGB" | "BGR", 1 | 3]>([
    ["colour", "RGB", 3],
    ["colour, blue first,", "BGR", 3],
    ["grey", "RGB", 1],
  ])(
    "gives a model of %s pictures the map that explaining the same picture gives",
    async (name, channelOrder, channels) => {
      const [width, height] = [6, 5];
      const model = at(`model ${name}`);
      const card = { input: { mean: Array(channels).fill(110), std: Array(channels).fill(57), channelOrder } };
      mkdirSync(model);
      const nodes = [node("Conv", ["image", "w"], ["c"]), node("Relu", ["c"], ["r"]), node("Flatten", ["r"], ["f"])];
      const onnx = buildModel({
        inputs: [{ name: "image", dims: ["N", channels, height, width] }],
        nodes: [...nodes, node("Gemm", ["f", "head"], ["scores"])],
        initializers: { w: ramp(4, channels, 3, 3), head: ramp(4 * 3 * 4, 3) },
        outputs: ["scores"],
      });
      writeFileSync(join(model, "model.onnx"), onnx);
      writeFileSync(join(model, "model.yaml"), JSON.stringify(card));
      const pixels = Uint8Array.from({ length: 3 * width * height }, (_, k) => 127.5 + 127 * Math.sin(1 + k * k));
      await sharp(pixels, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(at("same.png"));

      const args = ["--model", model, "--input", at("same.png"), "--output", at("same.npy")];
      expect(await runCli(["attribute", ...args])).toMatchObject({ code: 0, stderr: "" });
      const map = readNpy(at("same.npy")).data;
      const area = width * height;
      const sums = Array.from({ length: area }, (_, k) =>
        Array.from({ length: channels }, (_, c) => map[c * area + k]!).reduce((a, b) => a + b, 0),
      );
      const total = sums.reduce((sum, v) => sum + Math.abs(v), 0);

      const loaded = loadModel(model, {});
      const summary = { top: 1, grid: { rows: height, columns: width }, blur: 0 };
      const program = framesProgram(loaded.network, DEFAULT_METHOD, loaded.preprocessing!, summary, false);
      const explained = await runProgram(program, {
        frames: { data: pixels, dims: [1, height, width, 3] },
        scale: { data: new Float32Array(1), dims: [1] },
      });
      const shares = [...(explained.grid!.data as Float32Array)];
      expect(Math.max(...shares.map(Math.abs))).toBeGreaterThan(0.02);
      expect(
        relativeError(
          sums.map((v) => v / total),
          shares,
        ),
      ).toBeLessThan(1e-5);
    },
  );
});

describe("bad input is refused in one sentence, with nothing on stdout and no output file", () => {
  const golden = goldenCase("conv-same");
  const model = join(golden.folder, "model.onnx");
  const input = join(golden.folder, "input.npy");
  const frame = (dims: number[], value = 0.5): Buffer =>
    formatNpy({ dims, data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(value) });
  const shape = [1, ...golden.shape.slice(1)];

  beforeAll(() => {
    writeFileSync(at("corrupt.onnx"), golden.model.subarray(0, golden.model.length / 2));
    writeFileSync(at("text.onnx"), "this is no model\n");
    writeFileSync(at("odd.onnx"), classifier([node("LpNormalization", ["image"], ["y"])]));
    writeFileSync(at("labels.onnx"), golden.model);
    writeFileSync(at("labels.yaml"), "labels: names.txt\n");
    writeFileSync(at("names.txt"), "one\ntwo\n");
    writeFileSync(at("key.onnx"), golden.model);
    writeFileSync(at("key.yaml"), "name: x\ninput:\n  hieght: 12\n");
    writeFileSync(at("mean.onnx"), golden.model);
    writeFileSync(at("mean.yaml"), "input: {mean: [1, 2], std: 1}\n");
    writeFileSync(at("shape.npy"), frame([1, 3, 5, 5]));
    writeFileSync(at("none.npy"), frame([0, ...golden.shape.slice(1)]));
    writeFileSync(at("nan.npy"), frame(shape, Number.NaN));
    writeFileSync(at("cut.npy"), readFileSync(input).subarray(0, -5));
    writeFileSync(at("ints.npy"), formatNpy({ dims: [2], data: BigInt64Array.of(1n, 2n) }));
    writeFileSync(
      at("broken.png"),
      readFileSync(join(INSPECTION, "images", readdirSync(join(INSPECTION, "images"))[0]!)).subarray(0, 900),
    );
  });

  const range = ["--low=-2", "--high=2"];
  it.each<[what: string, args: () => string[], reason: RegExp]>([
    [
      "a missing model",
      () => ["--model", at("no.onnx"), "--input", input],
      /no\.onnx" does not exist; give an ONNX or TensorFlow Lite file/,
    ],
    [
      "a corrupt model",
      () => ["--model", at("corrupt.onnx"), "--input", input],
      /corrupt\.onnx: the model file is not an ONNX file or is damaged/,
    ],
    [
      "a text file as model",
      () => ["--model", at("text.onnx"), "--input", input],
      /text\.onnx is a text file, not a model/,
    ],
    [
      "an operator that cannot be explained",
      () => ["--model", at("odd.onnx"), "--input", input],
      /odd\.onnx: node "the LpNormalization" \(operator LpNormalization\) cannot be explained/,
    ],
    [
      "a label file of the wrong length",
      () => ["--model", at("labels.onnx"), "--input", input],
      /names\.txt has 2 labels, but the model has \d+ classes/,
    ],
    [
      "an unknown key in a card",
      () => ["--model", at("key.onnx"), "--input", input],
      /key\.yaml:3:3: input\.hieght is not a known key/,
    ],
    [
      "a mean of too few channels in a card",
      () => ["--model", at("mean.onnx"), "--input", input],
      /input\.mean has 2 values, but the model takes 3 channel/,
    ],
    [
      "a missing input",
      () => ["--model", model, "--input", at("no.npy")],
      /no\.npy does not exist; give a \.npy file or an image/,
    ],
    ["a folder as input", () => ["--model", model, "--input", folder], /cannot be read: it is a folder/],
    [
      "an array of the wrong shape",
      () => ["--model", model, "--input", at("shape.npy"), ...range],
      /shape\.npy has shape \(1, 3, 5, 5\), but the model takes \(N, 3, \d+, \d+\)/,
    ],
    ["an array of no frames", () => ["--model", model, "--input", at("none.npy"), ...range], /with N of 1 or more/],
    [
      "an array that is not a number",
      () => ["--model", model, "--input", at("nan.npy"), ...range],
      /nan\.npy holds NaN at position 0/,
    ],
    [
      "an array cut off",
      () => ["--model", model, "--input", at("cut.npy"), ...range],
      /cut\.npy holds \d+ bytes where/,
    ],
    ["an array of integers", () => ["--model", model, "--input", at("ints.npy"), ...range], /elements of type <i8/],
    [
      "a broken picture",
      () => ["--model", CNN, "--input", at("broken.png")],
      /broken\.png cannot be read as a picture: it is damaged or cut off$/m,
    ],
    [
      "a picture, without a card",
      () => ["--model", model, "--input", at("broken.png"), ...range],
      /write a card model\.yaml beside it with input\.mean/,
    ],
    [
      "no range and no card",
      () => ["--model", model, "--input", input],
      /give --low and --high, or input\.mean and input\.std/,
    ],
    [
      "a range of two channels",
      () => ["--model", model, "--input", input, "--low=1,2", "--high=2"],
      /--low has 2 values, but the model's input has 3 channel/,
    ],
    [
      "a range that is no number",
      () => ["--model", model, "--input", input, "--low", "dark", "--high=2"],
      /'--low <values>' argument 'dark' is invalid/,
    ],
    [
      "a range left empty",
      () => ["--model", model, "--input", input, "--low=1,,2", "--high=2"],
      /argument '1,,2' is invalid/,
    ],
    [
      "an unknown method",
      () => ["--model", model, "--input", input, "--method", "lrp"],
      /Allowed choices are r-lrp-graded, r-lrp-local, r-lrp, r-lrp-constant, r-lrp-absolute/,
    ],
    [
      "an unknown engine",
      () => ["--model", model, "--input", input, ...range, "--engine", "abacus"],
      /engine "abacus" is not known; known are auto, openvino, onnxruntime/,
    ],
    [
      "a target out of range",
      () => ["--model", model, "--input", input, ...range, "--target", "99"],
      /target class 99 does not exist: the model has classes 0 to/,
    ],
    [
      "a target below zero",
      () => ["--model", model, "--input", input, ...range, "--target", "-1"],
      /give "top", or the label or index of a class/,
    ],
    ["no input", () => ["--model", model], /required option '--input <file>' not specified/],
  ])("%s", async (_what, args, reason) => {
    const output = at("refused.npy");
    const ended = await runCli(["attribute", ...args(), "--output", output]);
    expect(ended.stderr).toMatch(reason);
    expect(ended.stderr).toMatch(/^video-explainer: [^\n]+\n$/);
    expect([ended.code, ended.stdout, existsSync(output)]).toEqual([2, "", false]);
  });

  it("an input larger than any batch, before it is read", async () => {
    const hole = openSync(at("hole.npy"), "w");
    ftruncateSync(hole, 3 * 2 ** 30);
    closeSync(hole);
    const ended = await runCli(["attribute", "--model", CNN, "--input", at("hole.npy")]);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain("hole.npy takes 3072 MiB, and an input may take 2048 MiB at most");
  });

  it("an output that cannot be written", async () => {
    const ended = await runCli([
      "attribute",
      "--model",
      model,
      "--input",
      input,
      ...range,
      "--output",
      at("no/such/folder.npy"),
    ]);
    expect([ended.code, ended.stdout]).toEqual([2, ""]);
    expect(ended.stderr).toMatch(
      /^video-explainer: the relevance cannot be written to .*folder\.npy \(it does not exist\)[^\n]*\n$/,
    );
  });

  it("but the range of pixels is not asked for where no rule needs it", async () => {
    const ended = await runCli([
      "attribute",
      "--model",
      join(GOLDEN, "conv-same/model.onnx"),
      "--input",
      input,
      "--input-rule",
      "contribution",
    ]);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
  });
});
