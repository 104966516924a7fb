import { existsSync, readdirSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import { InputError, VideoExplainerError } from "../errors.js";
import { describeView } from "../explain/model/describe.js";
import { type LoadedModel, loadModel } from "../explain/model/load.js";
import { cardText } from "../explain/model/write-card.js";
import { DEFAULT_METHOD } from "../explain/options.js";
import { requireExplainableTensor } from "../explain/programs/explainable.js";
import { redact } from "../redact.js";
import { replaceFile } from "../replace-file.js";
import { systemReason } from "../system-error.js";

/** Folders below the given one, entries looked at, and models read: more than anybody keeps in one place. */
const MAX_DEPTH = 6;
const MAX_ENTRIES = 20_000;
const MAX_MODELS = 200;

const MODEL_FILE = /\.(?:onnx|tflite)$|^model\.json$/i;
/** What models are kept in that cannot be read, so that they are named and not passed over. */
const OTHER_FILE = /\.(?:pt|pth|h5|keras|safetensors|pb|engine|mlmodel|ort|pdmodel)$/i;
const LEFT_OUT = new Set(["node_modules", ".git"]);

interface ModelsOptions {
  write?: boolean;
  force?: boolean;
  json?: boolean;
}

/** What was found of one file. */
interface Found {
  file: string;
  /** Why it cannot be used. */
  refused?: string;
  model?: LoadedModel;
  /** Why no card of it is written. */
  card?: string;
}

/** Files of models in a folder and those below it, in the order of their names; links to folders are not followed. */
function modelFiles(folder: string, note: (sentence: string) => void): string[] {
  const found: string[] = [];
  const open = [{ at: folder, depth: 0 }];
  let entries = 0;
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const { at, depth } = next;
    let inside: ReturnType<typeof readFolder>;
    try {
      inside = readFolder(at);
    } catch (cause) {
      if (depth === 0) throw cause;
      note(`${at} cannot be read (${systemReason(cause)}); it is left out`);
      continue;
    }
    for (const { name, isFolder } of inside) {
      if (++entries > MAX_ENTRIES) {
        note(`${folder} holds more than ${MAX_ENTRIES} entries; the rest is left out, give a folder of fewer`);
        return found;
      }
      const file = path.join(at, name);
      if (isFolder) {
        if (LEFT_OUT.has(name)) continue;
        if (depth < MAX_DEPTH) open.push({ at: file, depth: depth + 1 });
        else note(`${file} lies more than ${MAX_DEPTH} folders deep; it is left out`);
      } else if (MODEL_FILE.test(name) || OTHER_FILE.test(name)) found.push(file);
    }
  }
  return found;
}

const readFolder = (folder: string) =>
  readdirSync(folder, { withFileTypes: true })
    .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));

function read(file: string): Found {
  try {
    const model = loadModel(file);
    requireExplainableTensor(model, DEFAULT_METHOD);
    return { file, model };
  } catch (error) {
    if (!(error instanceof VideoExplainerError)) throw error;
    return { file, refused: redact(error.message) };
  }
}

/** The card of a file that is the folder's only one is `model.yaml`, which the folder's name then stands for. */
const cardPlace = (file: string, isOnly: boolean): string => {
  const { dir, name, base } = path.parse(file);
  return path.join(dir, isOnly || base === "model.onnx" || base === "model.json" ? "model.yaml" : `${name}.yaml`);
};

/** Where the card of a model is to lie, and its text; or why none is written, in a sentence. */
function planCard(
  { file, model }: Found,
  files: readonly string[],
  planned: ReadonlyMap<string, string>,
  force: boolean,
): string | { card: string; text: string } | undefined {
  if (!model) return undefined;
  const siblings = files.filter((other) => path.dirname(other) === path.dirname(file) && MODEL_FILE.test(other));
  const card = cardPlace(file, siblings.length === 1);
  if (planned.has(card))
    return `${card} is that of another file of this folder; move one of them to a folder of its own`;
  if (existsSync(card) && !force) return `${card} exists already; give --force to replace it`;
  return { card, text: cardText(model, card) };
}

async function writeCard(card: string, text: string): Promise<void> {
  try {
    await replaceFile(card, `${card}.${process.pid}.part`, (to) => writeFile(to, text));
  } catch (cause) {
    throw new InputError(
      "output",
      `${card} cannot be written (${systemReason(cause)}); give a folder that this user may write to`,
      { cause },
    );
  }
}

function lines({ file, refused, model, card }: Found): string[] {
  if (!model) return [`${file}`, `  refused: ${refused}`];
  const { info, preprocessing, unfit, inferred, notes, classes } = model;
  const from = [...new Set(Object.values(inferred.input))];
  return [
    `${file}`,
    `  ${info.name}: ${info.inputWidth}x${info.inputHeight}, ${classes} ${classes === 1 ? "class" : "classes"}`,
    `  labels: ${inferred.labels ?? "none; classes bear their numbers"}`,
    preprocessing ? `  pictures: ${describeView(info, preprocessing)}` : `  pictures: ${unfit}`,
    `  known from: ${from.length > 0 ? from.join(", ") : "nothing beside the model"}`,
    ...notes.filter((note) => !note.includes(": pictures are read as ")).map((note) => `  note: ${redact(note)}`),
    ...(card === undefined ? [] : [`  card: ${card}`]),
  ];
}

const asJson = ({ file, refused, model, card }: Found) =>
  model === undefined
    ? { file, refused }
    : {
        file,
        ...{ name: model.info.name, sha256: model.info.sha256, classes: model.classes, input: model.input },
        ...{ view: describeView(model.info, model.preprocessing), unfit: model.unfit, inferred: model.inferred },
        ...{ labels: model.info.labels, notes: model.notes, card },
      };

async function models(given: string, options: ModelsOptions): Promise<void> {
  if (!existsSync(given))
    throw new InputError("model-missing", `folder "${given}" does not exist; give a folder of models`);
  const note = (sentence: string): void => void process.stderr.write(`video-explainer: ${redact(sentence)}\n`);
  const all = statSync(given).isDirectory() ? modelFiles(given, note) : [given];
  const files = all.slice(0, MAX_MODELS);
  if (all.length > files.length) note(`${given} holds ${all.length} models; the first ${MAX_MODELS} are shown`);
  if (files.length === 0)
    throw new InputError(
      "model-missing",
      `folder "${given}" holds no model; give one with an ONNX or TensorFlow Lite file, or the model.json of a TensorFlow.js model`,
    );
  const shown: unknown[] = [];
  /** Texts of cards by their files: written once all models are read, so that none is taken for that of another. */
  const planned = new Map<string, string>();
  let refused = 0;
  for (const file of files) {
    // One after the other: its weights are free before the next is read.
    const found = read(file);
    if (found.refused !== undefined) refused++;
    const plan = options.write ? planCard(found, files, planned, options.force === true) : undefined;
    if (typeof plan === "string") found.card = plan;
    else if (plan) planned.set(plan.card, plan.text);
    if (options.json)
      shown.push(typeof plan === "object" ? { ...asJson(found), card: `wrote ${plan.card}` } : asJson(found));
    else process.stdout.write(`${lines(found).join("\n")}\n`);
  }
  for (const [card, text] of planned) {
    await writeCard(card, text);
    if (!options.json) process.stdout.write(`wrote ${card}\n`);
  }
  if (options.json) process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
  if (refused === files.length) process.exitCode = 2;
}

/** `video-explainer models FOLDER` */
export const modelsCommand = (): Command =>
  new Command("models")
    .description("list the models in a folder: what is known of each and from where, which are refused and why")
    .argument("<folder>", "folder of models, those below it too; or one model")
    .option("--write", "write each model's card, model.yaml or NAME.yaml beside it, to correct and to keep")
    .option("--force", "replace cards that exist already")
    .option("--json", "print one JSON list instead")
    .addHelpText(
      "after",
      `
Nothing is run: a model that is listed without a reason to refuse it can be explained. Exit code 2: none can.

Example:
  $ video-explainer models models`,
    )
    .action(models);
