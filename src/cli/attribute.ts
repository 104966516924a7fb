import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import sharp from "sharp";
import { InputError, VideoExplainerError } from "../errors.js";
import { withoutEffect } from "../explain/engines/engine.js";
import { engineNamed } from "../explain/engines/registry.js";
import { type LoadedModel, loadModel, requirePreprocessing } from "../explain/model/load.js";
import { allFinite, firstNotFinite } from "../explain/onnx/finite.js";
import type { MethodOptions } from "../explain/options.js";
import type { Precision } from "../explain/precision.js";
import { tensorProgram } from "../explain/programs/tensor.js";
import { classTarget, inputRuleOption, methodOption, precisionOption, startOption, wholeNumber } from "./arguments.js";
import { numbers, rangeOf } from "./input-range.js";
import { type NpyArray, readNpy, writeNpy } from "./npy.js";

interface AttributeOptions {
  model: string;
  input: string;
  method: MethodOptions["method"];
  inputRule: MethodOptions["inputRule"];
  start: MethodOptions["start"];
  target: "top" | number;
  low?: number[];
  high?: number[];
  engine: string;
  threads: number;
  precision?: Precision;
  output?: string;
}

/** Frames in one run of the engine: bounds memory, results do not depend on it. */
const CHUNK = 16;

async function attribute(options: AttributeOptions): Promise<void> {
  const model = loadModel(options.model);
  const bytes = readInput(options.input);
  const input = options.input.endsWith(".npy")
    ? fromNpy(bytes, options.input, model)
    : await fromImage(bytes, options.input, model);
  const program = tensorProgram(model.network, options, rangeOf(options, model));
  const runner = await engineNamed(options.engine)(program, {
    device: "cpu",
    threads: options.threads,
    precision: options.precision,
  });
  const note = withoutEffect(runner, { threads: options.threads || undefined, precision: options.precision });
  if (note !== undefined) process.stderr.write(`video-explainer: ${note}\n`);
  const frames = input.dims[0]!;
  const each = input.data.length / frames;
  const relevance = new Float32Array(input.data.length);
  const report = {
    logits: [] as number[][],
    probabilities: [] as number[][],
    target: [] as number[],
    l1: [] as number[],
    positive: [] as number[],
    negative: [] as number[],
  };
  for (let at = 0; at < frames; at += CHUNK) {
    const count = Math.min(CHUNK, frames - at);
    const out = await runner.run({
      input: { data: input.data.subarray(at * each, (at + count) * each), dims: [count, ...input.dims.slice(1)] },
    });
    const map = out.relevance!.data as Float32Array;
    for (const [what, values] of [
      ["scores", out.logits!.data as Float32Array],
      ["relevance", map],
    ] as const)
      if (!allFinite(values))
        throw new VideoExplainerError(
          "not-finite",
          `${options.input}: the ${what} hold ${firstNotFinite(values).value}, no finite number: weights or values of ${options.model} are too large for float32.`,
        );
    relevance.set(map, at * each);
    for (let n = 0; n < count; n++) {
      const row = (name: string): number[] =>
        Array.from((out[name]!.data as Float32Array).subarray(n * model.classes, (n + 1) * model.classes));
      const sums = signedSums(map.subarray(n * each, (n + 1) * each));
      report.logits.push(row("logits"));
      report.probabilities.push(row("probabilities"));
      report.target.push(Number(out.target!.data[n]));
      report.l1.push(sums.positive - sums.negative);
      report.positive.push(sums.positive);
      report.negative.push(sums.negative);
    }
  }
  await runner.close();
  if (options.output !== undefined) {
    await writeFile(options.output, writeNpy(input.dims, relevance)).catch((cause: NodeJS.ErrnoException) => {
      throw new InputError(
        "output",
        `the relevance cannot be written to ${options.output} (${cause.code}); give a path in a folder that exists.`,
        { cause },
      );
    });
  }
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function signedSums(map: Float32Array): { positive: number; negative: number } {
  let [positive, negative] = [0, 0];
  for (const v of map)
    if (v > 0) positive += v;
    else negative += v;
  return { positive, negative };
}

function readInput(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new InputError(
      "input-missing",
      `input ${file} ${code === "ENOENT" ? "does not exist" : `cannot be read (${code})`}; give a .npy file or an image.`,
      { cause },
    );
  }
}

function fromNpy(bytes: Uint8Array, file: string, model: LoadedModel): NpyArray {
  const array = readNpy(bytes, file);
  const wanted = model.network.shapes.get(model.network.input)!;
  if (array.dims.length !== wanted.length || array.dims.some((d, k) => k > 0 && d !== wanted[k]) || array.dims[0] === 0)
    throw new InputError(
      "input-shape",
      `${file} has shape (${array.dims.join(", ")}), but the model takes (N, ${wanted.slice(1).join(", ")}) with N of 1 or more.`,
    );
  const bad = array.data.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0)
    throw new InputError(
      "input-value",
      `${file} holds ${array.data[bad]} at position ${bad}; every value must be a finite number.`,
    );
  return array;
}

/** Decodes, fits and normalises a picture as the model's card says. */
async function fromImage(bytes: Uint8Array, file: string, model: LoadedModel): Promise<NpyArray> {
  const p = requirePreprocessing(model);
  const fit = { stretch: "fill", crop: "cover", letterbox: "contain" } as const;
  let pixels: Buffer;
  try {
    pixels = await sharp(bytes)
      .rotate()
      .flatten({ background: "#808080" })
      .resize(p.width, p.height, { fit: fit[model.info.fit], background: "#808080" })
      .toColourspace(p.channels === 1 ? "b-w" : "srgb")
      .removeAlpha()
      .raw()
      .toBuffer();
  } catch (cause) {
    throw new InputError(
      "input-image",
      `${file} is not an image that can be read (${(cause as Error).message.split("\n")[0]}); give a JPEG, PNG, WebP or .npy file.`,
      { cause },
    );
  }
  const area = p.width * p.height;
  const data = new Float32Array(area * p.channels);
  for (let i = 0; i < area; i++)
    for (let c = 0; c < p.channels; c++) {
      const from = p.channels === 3 && p.channelOrder === "BGR" ? 2 - c : c;
      const value = (pixels[i * p.channels + from]! - p.mean[c % p.mean.length]!) / p.std[c % p.std.length]!;
      data[p.layout === "NCHW" ? c * area + i : i * p.channels + c] = value;
    }
  return { dims: [1, ...model.network.shapes.get(model.network.input)!.slice(1)], data };
}

/** `video-explainer attribute` */
export const attributeCommand = (): Command =>
  new Command("attribute")
    .description("explain one tensor or image: a relevance map as .npy, scores as JSON on stdout")
    .requiredOption("--model <path>", "ONNX or model.json file, or folder with one and model.yaml")
    .requiredOption("--input <file>", "float32 .npy batch in the model's own layout, already preprocessed; or an image")
    .addOption(methodOption())
    .addOption(inputRuleOption())
    .addOption(startOption())
    .option("--target <class>", "top, or the index of the class to explain", classTarget, "top")
    .option(
      "--low <values>",
      "the network's input value for pixel 0, one or one a channel (default: from the card)",
      numbers,
    )
    .option("--high <values>", "the network's input value for pixel 255 (default: from the card)", numbers)
    .option("--engine <name>", "engine", "auto")
    .option("--threads <count>", "threads of the engine; 0: one per core", wholeNumber(0, 999), 0)
    .addOption(precisionOption())
    .option(
      "--output <file>",
      "write the relevance here: .npy, float32, same shape as the input; for R-LRP sum of |R| = 1 a frame",
    )
    .addHelpText(
      "after",
      `
Prints one JSON object { logits, probabilities, target, l1, positive, negative } with an entry per frame.

Example:
  $ video-explainer attribute --model models/efficientnet-lite0 --input cat.jpg --output cat.npy`,
    )
    .action(attribute);
