import { statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { InputError } from "../errors.js";
import { toOnnx } from "../explain/engines/serialise.js";
import { type LoadedModel, loadModel, ofModel, requirePreprocessing } from "../explain/model/load.js";
import { withTarget } from "../explain/model/target.js";
import { completed, type NamedOptions } from "../explain/options.js";
import type { Program } from "../explain/program/program.js";
import { framesProgram, type SummaryOptions } from "../explain/programs/frames.js";
import { tensorProgram } from "../explain/programs/tensor.js";
import { replaceFile } from "../replace-file.js";
import { systemCode, systemReason } from "../system-error.js";
import { ModelCommand } from "./arguments.js";
import { highOption, lowOption, rangeOf } from "./input-range.js";
import { sayModelNotes } from "./model-notes.js";

interface CompileOptions extends NamedOptions {
  model: string;
  modelOutput?: string;
  output: string;
  input: "tensor" | "frames";
  low?: number[];
  high?: number[];
}

/** A protobuf message, and so an ONNX file without a file of weights beside it, ends here. */
const MAX_ONNX_BYTES = 2 ** 31 - 1;
const SUMMARY: SummaryOptions = { top: 5, grid: { rows: 8, columns: 8 }, blur: 2 };

async function compile(options: CompileOptions): Promise<void> {
  const model = loadModel(options.model, { output: options.modelOutput });
  sayModelNotes(model);
  const program = ofModel(model, () =>
    options.input === "frames" ? ofFrames(model, options) : ofTensor(model, options),
  );
  const constants = program.constants.reduce((sum, { data }) => sum + bytesIn(data), 0);
  if (constants > MAX_ONNX_BYTES)
    throw new InputError(
      "too-large",
      `${model.file} with its explanation would take ${Math.round(constants / 2 ** 20)} MiB, and an ONNX file ends at 2048 MiB; compile a smaller model`,
    );
  const { inputRule, start } = completed(options);
  const file = toOnnx(program, {
    doc: `${model.info.name} with its explanation by ${options.method}; made by video-explainer.`,
    metadata: {
      model: model.info.name,
      model_sha256: model.info.sha256,
      method: options.method,
      input_rule: inputRule,
      start,
      target: String(options.target),
      classes: String(model.classes),
      labels: JSON.stringify(model.info.labels),
    },
  });
  await write(options.output, file);
  const ports = (list: Program["inputs"]) =>
    list.map(({ name, kind, dims }) => `${name} ${kind} [${dims.map((d) => (d < 0 ? "N" : d)).join(", ")}]`);
  process.stdout.write(
    [
      `${options.output}: ${(file.length / 1e6).toFixed(1)} MB, ONNX opset 18, ${program.operations.length} operators`,
      ...ports(program.inputs).map((line) => `  in   ${line}`),
      ...ports(program.outputs).map((line) => `  out  ${line}`),
      "",
    ].join("\n"),
  );
}

const bytesIn = (data: Program["constants"][number]["data"]): number =>
  ArrayBuffer.isView(data) ? data.byteLength : data.length * 8;
const ofTensor = (model: LoadedModel, options: CompileOptions): Program =>
  tensorProgram(model.network, withTarget(options, model), rangeOf(options, model));

function ofFrames(model: LoadedModel, options: CompileOptions): Program {
  if (options.low || options.high)
    throw new InputError(
      "range",
      "--low and --high go with --input tensor; with --input frames pixels are scaled as the card model.yaml says, so leave them out",
    );
  return framesProgram(model.network, withTarget(options, model), requirePreprocessing(model), SUMMARY, false);
}

async function write(output: string, file: Uint8Array): Promise<void> {
  const refuse = (why: string, cause?: unknown): InputError => {
    const reason = `cannot be written (${why}); give the path of a file with --output`;
    return new InputError("output", reason, { subject: output, cause });
  };
  if (statSync(output, { throwIfNoEntry: false })?.isDirectory()) throw refuse("it is a folder");
  try {
    await replaceFile(output, `${output}.${process.pid}.part`, (part) => writeFile(part, file));
  } catch (cause) {
    throw refuse(systemCode(cause) === "ENOENT" ? "its folder does not exist" : systemReason(cause), cause);
  }
}

/** `video-explainer compile` */
export const compileCommand = (): Command =>
  new ModelCommand("compile")
    .description("write a model with its explanation as one standard ONNX file, for any ONNX runtime in any language")
    .argument("<model>", "model file, or folder with the model and model.yaml")
    .requiredOption("-o, --output <file>", "the ONNX file to write")
    .addOption(
      new Option("--input <kind>", "the model's own float32 input, or uint8 RGB frames [N, H, W, 3]")
        .choices(["tensor", "frames"])
        .default("tensor"),
    )
    .methodOptions()
    .addOption(lowOption())
    .addOption(highOption())
    .addHelpText(
      "after",
      `
With --input tensor the file gives logits, probabilities, target and relevance (dims of the input; for R-LRP
sum of |R| = 1 a frame).
With --input frames it takes frames and scale (float32 [N]; 0: each frame's own) and gives the classification, the shares by
grid cell and an 8-bit heatmap (128: zero).

Example:
  $ video-explainer compile models/efficientnet-lite0 -o explain.onnx
  $ python3 -c "import onnxruntime as o, numpy as n; print(o.InferenceSession('explain.onnx').run(['relevance'], {'input': n.zeros((1, 3, 224, 224), 'f')})[0].shape)"`,
    )
    .action((model: string, options: Omit<CompileOptions, "model">) => compile({ ...options, model }));
