import { accessSync, constants, type Stats, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { InputError, VideoExplainerError } from "../errors.js";
import { type NumericTensor, withoutEffect } from "../explain/engines/engine.js";
import { engineNamed } from "../explain/engines/registry.js";
import { type LoadedModel, loadModel, ofModel, requirePreprocessing } from "../explain/model/load.js";
import { withTarget } from "../explain/model/target.js";
import { elements } from "../explain/network/network.js";
import { allFinite, firstNotFinite } from "../explain/onnx/finite.js";
import type { NamedOptions } from "../explain/options.js";
import type { Preprocessing } from "../explain/preprocessing.js";
import { tensorProgram } from "../explain/programs/tensor.js";
import { gatherer } from "../explain/runtime/gather.js";
import { modelRows } from "../frame.js";
import { PictureMemory } from "../pictures/memory.js";
import { readPicture } from "../pictures/picture.js";
import { readBounded } from "../read-file.js";
import { systemPredicate, systemReason } from "../system-error.js";
import { type EngineChoice, ModelCommand } from "./arguments.js";
import { highOption, lowOption, rangeOf } from "./input-range.js";
import { sayModelNotes } from "./model-notes.js";
import { readNpy, writeNpy } from "./npy.js";

interface AttributeOptions extends NamedOptions, EngineChoice {
  model: string;
  modelOutput?: string;
  input: string;
  low?: number[];
  high?: number[];
  output?: string;
}

/** What is explained: values of the model's own input, or a picture with how that becomes them. */
interface Input extends NumericTensor {
  pictures?: Preprocessing;
}

/** Frames in one run of the engine: bounds memory, results do not depend on it. */
const CHUNK = 16;
/** A file of numbers beyond which it is refused. */
const MAX_INPUT_BYTES = 2 ** 31 - 1;

async function attribute(options: AttributeOptions): Promise<void> {
  const model = loadModel(options.model, { output: options.modelOutput });
  sayModelNotes(model);
  requireInput(options.input);
  const input = options.input.endsWith(".npy")
    ? fromNpy(readBounded(options.input, MAX_INPUT_BYTES, "an input"), options.input, model)
    : await fromPicture(options.input, model);
  const program = ofModel(model, () =>
    tensorProgram(model.network, withTarget(options, model), rangeOf(options, model), input.pictures),
  );
  const runner = await engineNamed(options.engine)(program, {
    // A few maps are done before it is found out which device is the fastest.
    device: options.device === "auto" ? "cpu" : options.device,
    threads: options.threads,
    precision: options.precision,
  });
  const note = withoutEffect(runner, { threads: options.threads || undefined, precision: options.precision });
  if (note !== undefined) process.stderr.write(`video-explainer: ${note}\n`);
  const frames = input.dims[0]!;
  const each = input.data.length / frames;
  const dims = [frames, ...model.network.shapes.get(model.network.input)!.slice(1)];
  const mapLength = elements(dims) / frames;
  const relevance = new Float32Array(elements(dims));
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
      [input.pictures ? "frames" : "input"]: {
        data: input.data.subarray(at * each, (at + count) * each),
        dims: [count, ...input.dims.slice(1)],
      },
    });
    const map = out.relevance!.data as Float32Array;
    for (const [what, values] of [
      ["scores", out.logits!.data as Float32Array],
      ["relevance", map],
    ] as const)
      if (!allFinite(values))
        throw new VideoExplainerError(
          "not-finite",
          `${options.input}: the ${what} hold ${firstNotFinite(values).value}, no finite number: weights or values of ${options.model} are too large for float32`,
        );
    relevance.set(map, at * mapLength);
    for (let n = 0; n < count; n++) {
      const row = (name: string): number[] =>
        Array.from((out[name]!.data as Float32Array).subarray(n * model.classes, (n + 1) * model.classes));
      const sums = signedSums(map.subarray(n * mapLength, (n + 1) * mapLength));
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
    await writeFile(options.output, writeNpy(dims, relevance)).catch((cause: unknown) => {
      throw new InputError(
        "output",
        `the relevance cannot be written to ${options.output} (${systemReason(cause)}); give the path of a file, in a folder that exists`,
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

/** Nothing but a file: to read a pipe or device may never end. */
function requireInput(file: string): void {
  const refuse = (what: string, cause?: unknown): InputError =>
    new InputError("input-missing", `input ${file} ${what}; give a .npy file or an image`, { cause });
  let found: Stats;
  try {
    accessSync(file, constants.R_OK);
    found = statSync(file);
  } catch (cause) {
    throw refuse(systemPredicate(cause), cause);
  }
  if (found.isDirectory()) throw refuse("cannot be read: it is a folder");
  if (!found.isFile()) throw refuse("is a device, pipe or socket");
}

function fromNpy(bytes: Uint8Array, file: string, model: LoadedModel): Input {
  const array = readNpy(bytes, file);
  const wanted = model.network.shapes.get(model.network.input)!;
  if (array.dims.length !== wanted.length || array.dims.some((d, k) => k > 0 && d !== wanted[k]) || array.dims[0] === 0)
    throw new InputError(
      "input-shape",
      `${file} has shape (${array.dims.join(", ")}), but the model takes (N, ${wanted.slice(1).join(", ")}) with N of 1 or more`,
    );
  const bad = array.data.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0)
    throw new InputError(
      "input-value",
      `${file} holds ${array.data[bad]} at position ${bad}; every value must be a finite number`,
    );
  return array;
}

/** Decodes a picture and fits it to the model's input. */
async function fromPicture(file: string, model: LoadedModel): Promise<Input> {
  const pictures = requirePreprocessing(model);
  const view = { inputWidth: pictures.width, inputHeight: pictures.height, fit: model.info.fit };
  const { memory, layout } = await readPicture(resolve(file), file, view, { memory: new PictureMemory(0) });
  const rows = gatherer(pictures.width, pictures.height)([{ memory, ...modelRows(layout) }]);
  return { ...rows, pictures };
}

/** `video-explainer attribute` */
export const attributeCommand = (): Command =>
  new ModelCommand("attribute")
    .description("explain one tensor or image: a relevance map as .npy, scores as JSON on stdout")
    .requiredOption("--model <path>", "ONNX, TensorFlow Lite or model.json file, or folder with one and model.yaml")
    .requiredOption("--input <file>", "float32 .npy batch in the model's own layout, already preprocessed; or an image")
    .methodOptions()
    .addOption(lowOption())
    .addOption(highOption())
    .engineOptions("cpu")
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
