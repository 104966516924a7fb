import { createHash } from "node:crypto";
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import path from "node:path";
import { InputError, ModelError } from "../../errors.js";
import type { ModelInfo } from "../explanation.js";
import { canonicalise } from "../network/canonicalise.js";
import type { Network } from "../network/network.js";
import { importOnnx } from "../onnx/import.js";
import { classesOf } from "../programs/explanation.js";
import type { Preprocessing } from "../programs/frames.js";
import { importTfjs } from "../tfjs/import.js";
import { type ModelCard, parseCard } from "./card.js";
import { type FileState, Reads } from "./reads.js";

/** A model read from disk, in canonical form, with everything its card says or its file implies. */
export interface LoadedModel {
  info: ModelInfo;
  network: Network;
  card: ModelCard;
  classes: number;
  /** How pictures become input; undefined when the card lacks mean and std (tensor input only). */
  preprocessing: Preprocessing | undefined;
  /** Axis of the input that holds the channels. */
  channelAxis: number;
  file: string;
  /** Every file that it was read from, and where one was looked for in vain. */
  files: readonly FileState[];
}

/**
 * Reads a model: an ONNX file, the model.json of a TensorFlow.js model, or a folder that holds one and its card. A card
 * `model.yaml`, or `NAME.yaml` beside `NAME.onnx`, is read where there is one.
 * @throws InputError or ModelError, one sentence: what is wrong, where, what to do
 */
export function loadModel(given: string): LoadedModel {
  const reads = new Reads();
  const { file, cardFile } = locate(given, reads);
  const card = cardFile ? parseCard(readText(cardFile), cardFile) : parseCard("", given);
  reads.note(file);
  const bytes = readWhole(file);
  try {
    return assemble(file, bytes, card, cardFile, reads);
  } catch (error) {
    if (error instanceof ModelError)
      throw new ModelError(error.code, error.message.startsWith(file) ? error.message : `${file}: ${error.message}`, {
        cause: error.cause,
      });
    if (error instanceof InputError) throw error;
    throw new ModelError(
      "model-corrupt",
      `${file}: the model file is damaged or uses its format in an unknown way; export it again.`,
      { cause: error },
    );
  }
}

function readWhole(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new InputError(
      "model-unreadable",
      `${file} cannot be read (${(cause as NodeJS.ErrnoException).code}); give a file that this user may read.`,
      { cause },
    );
  }
}
const readText = (file: string): string => new TextDecoder().decode(readWhole(file));

function locate(given: string, reads: Reads): { file: string; cardFile: string | undefined } {
  const stat = existsSync(given) ? statSync(given) : undefined;
  if (!stat)
    throw new InputError(
      "model-missing",
      `model "${given}" does not exist; give an ONNX file, the model.json of a TensorFlow.js model, or a folder with one of them and model.yaml.`,
    );
  if (stat.isDirectory()) {
    const cardFile = path.join(given, "model.yaml");
    const named = reads.exists(cardFile) ? parseCard(readText(cardFile), cardFile).model : undefined;
    const names = named === undefined ? ["model.onnx", "model.json"] : [named];
    const file = names.map((name) => path.join(given, name)).find((f) => reads.exists(f));
    if (file === undefined)
      throw new InputError(
        "model-missing",
        `folder "${given}" holds no ${names.join(" or ")}; put the model there or name its file in model.yaml under "model".`,
      );
    return { file, cardFile: reads.exists(cardFile) ? cardFile : undefined };
  }
  const { dir, name } = path.parse(given);
  const cards = [path.join(dir, `${name}.yaml`), path.join(path.dirname(given), "model.yaml")];
  return { file: given, cardFile: cards.find((c) => c !== given && reads.exists(c)) };
}

function assemble(
  file: string,
  bytes: Uint8Array,
  card: ModelCard,
  cardFile: string | undefined,
  reads: Reads,
): LoadedModel {
  const where = cardFile ?? "a card model.yaml beside the model";
  const folder = path.dirname(file);
  const { width: w, height: h, layout: given } = card.input;
  const tfjs = file.endsWith(".json");
  const last = (given ?? (tfjs ? "NHWC" : "NCHW")) === "NHWC";
  const guess = last ? [h ?? 0, w ?? 0, 0] : [0, h ?? 0, w ?? 0];
  const hash = createHash("sha256").update(bytes);
  const shard = (name: string): Uint8Array => {
    const part = readExternal(folder, name, 0, undefined, Number.POSITIVE_INFINITY, reads);
    hash.update(part);
    return part;
  };
  const network = canonicalise(
    tfjs
      ? importTfjs(new TextDecoder().decode(bytes), shard, guess)
      : importOnnx(
          bytes,
          (location, offset, length, most) => readExternal(folder, location, offset, length, most, reads),
          guess,
        ),
  );
  const dims = network.shapes.get(network.input)!.slice(1);
  const layout = given ?? (dims.length === 3 && dims[2]! <= 3 && dims[0]! > 3 ? "NHWC" : "NCHW");
  const [channels, height, width] =
    dims.length === 3
      ? layout === "NCHW"
        ? dims
        : [dims[2], dims[0], dims[1]]
      : dims.length === 2
        ? [1, dims[0], dims[1]]
        : [undefined, h, w];
  if (width === undefined || height === undefined)
    throw new ModelError(
      "model-input",
      `the model's input has dims [N, ${dims.join(", ")}], which are not those of a picture; give input width and height in ${where}.`,
    );
  if ((w !== undefined && w !== width) || (h !== undefined && h !== height))
    throw new ModelError(
      "model-card",
      `${where} says the input is ${w ?? width}x${h ?? height} pixels, but the model takes ${width}x${height}.`,
    );
  const classes = classesOf(network);
  const { mean, std } = card.input;
  const known = channels === 1 || channels === 3 ? channels : undefined;
  for (const [name, values] of [
    ["mean", mean],
    ["std", std],
  ] as const)
    if (values && values.length !== 1 && values.length !== channels)
      throw new ModelError(
        "model-card",
        `${where}: input.${name} has ${values.length} values, but the model takes ${channels} channel(s).`,
      );
  const labels = readLabels(card, cardFile, folder, classes, reads);
  const spread = (values: readonly number[]) =>
    Array.from({ length: known ?? 1 }, (_, c) => values[c % values.length]!);
  return {
    file,
    files: reads.files,
    card,
    network,
    classes,
    channelAxis: layout === "NCHW" ? 1 : dims.length,
    preprocessing:
      mean && std && known
        ? {
            width,
            height,
            channels: known,
            channelOrder: card.input.channelOrder,
            layout,
            mean: spread(mean),
            std: spread(std),
          }
        : undefined,
    info: {
      name: card.name ?? nameOf(file),
      sha256: hash.digest("hex"),
      labels,
      inputWidth: width,
      inputHeight: height,
      channels: channels ?? 1,
      fit: card.input.fit,
    },
  };
}

/** The folder's name for model.onnx and model.json, else the file's without its extension. */
const nameOf = (file: string): string => {
  const { dir, base, name } = path.parse(path.resolve(file));
  return base === "model.onnx" || base === "model.json" ? path.basename(dir) : name;
};

/** The preprocessing, or the error that says what the card lacks. */
export function requirePreprocessing(model: LoadedModel): Preprocessing {
  if (!model.preprocessing)
    throw new ModelError(
      "model-card",
      `${model.file}: how pictures become the model's input is not known; write a card model.yaml beside it with input.mean and input.std (in units of 0..255 pixels, e.g. mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] for torchvision models).`,
    );
  return model.preprocessing;
}

function readLabels(
  card: ModelCard,
  cardFile: string | undefined,
  folder: string,
  classes: number,
  reads: Reads,
): string[] {
  const fallback = path.join(folder, "labels.txt");
  const source = card.labels ?? (reads.exists(fallback) ? "labels.txt" : undefined);
  if (source === undefined) return Array.from({ length: classes }, (_, k) => `class ${k}`);
  let labels: string[];
  let where = cardFile ?? folder;
  if (typeof source === "string") {
    where = path.resolve(cardFile ? path.dirname(cardFile) : folder, source);
    if (!reads.exists(where))
      throw new InputError(
        "labels-missing",
        `${cardFile}: the label file "${source}" does not exist; write one label a line into it.`,
      );
    labels = readText(where).replace(/\r/g, "").replace(/\n+$/, "").split("\n");
  } else labels = source;
  if (labels.length !== classes)
    throw new InputError(
      "labels-count",
      `${where} has ${labels.length} labels, but the model has ${classes} classes; it needs one label a line for each class.`,
    );
  return labels;
}

function readExternal(
  folder: string,
  location: string,
  offset: number,
  length: number | undefined,
  most: number,
  reads: Reads,
): Uint8Array {
  const file = path.resolve(folder, location);
  if (!file.startsWith(path.resolve(folder) + path.sep))
    throw new ModelError(
      "model-external",
      `the model points to weights outside its own folder ("${location}"), which is not followed.`,
    );
  if (!reads.exists(file))
    throw new ModelError(
      "model-external",
      `the model keeps its weights in "${location}", which is not beside it; copy it there.`,
    );
  return readRange(file, location, offset, length, most);
}

/**
 * Bytes from which on a file is looked at before it is read: one of holes is no weights, and reading it takes memory that
 * nothing was written for.
 */
const HOLES_FROM = 2 ** 26;

/** A part of a weights file: they may be gigabytes, and every tensor asks for its own part. */
function readRange(
  file: string,
  location: string,
  offset: number,
  length: number | undefined,
  most: number,
): Uint8Array {
  const handle = openSync(file, "r");
  try {
    const { size, blocks } = fstatSync(handle);
    const wanted = length ?? Math.min(size - offset, most);
    if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(wanted) && offset >= 0 && wanted >= 0))
      throw new ModelError(
        "model-external",
        `the model says that weights lie at an impossible place in "${location}"; export it again.`,
      );
    if (wanted > HOLES_FROM && blocks * 512 < size / 8)
      throw new ModelError(
        "model-external",
        `the weights file "${location}" is mostly holes (${size} bytes, of which ${blocks * 512} are written); copy it again.`,
      );
    if (offset + wanted > size)
      throw new ModelError(
        "model-external",
        `the weights file "${location}" is shorter than the model says; copy it again.`,
      );
    const bytes = new Uint8Array(wanted);
    for (let at = 0; at < wanted; ) {
      const read = readSync(handle, bytes, at, wanted - at, offset + at);
      if (read === 0) break;
      at += read;
    }
    return bytes;
  } finally {
    closeSync(handle);
  }
}
