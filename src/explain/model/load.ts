import { createHash } from "node:crypto";
import path from "node:path";
import { InputError, inContext, ModelError } from "../../errors.js";
import { readBounded } from "../../read-file.js";
import type { ModelInfo } from "../explanation.js";
import { canonicalise } from "../network/canonicalise.js";
import { classesOf, type Network } from "../network/network.js";
import { importOnnx } from "../onnx/import.js";
import type { Preprocessing } from "../preprocessing.js";
import { importTfjs } from "../tfjs/import.js";
import { importTflite, isTflite } from "../tflite/import.js";
import type { ModelCard } from "./card.js";
import type { InputFacts } from "./facts.js";
import { type FileFingerprint, FileFingerprints } from "./file-fingerprints.js";
import { foreignKind, isText, jsonIn, kindByEnding } from "./foreign.js";
import { type GivenCard, Inference, type Inferred } from "./infer.js";
import { type Located, locate } from "./locate.js";
import { precisionNote } from "./precision-note.js";
import { readWeightsFile } from "./weights-file.js";

/** A model read from disk, in canonical form, with everything its card says or its file implies. */
export interface LoadedModel {
  info: ModelInfo;
  network: Network;
  card: ModelCard;
  classes: number;
  /** How pictures become input; undefined when the card lacks mean and std, or the input is no picture (tensor input only). */
  preprocessing: Preprocessing | undefined;
  /** Why pictures cannot become input, as a sentence goes on after the file's name. */
  unfit?: string;
  /** Axis of the input that holds the channels. */
  channelAxis: number;
  file: string;
  /** Every file that it was read from, and where one was looked for in vain. */
  files: readonly FileFingerprint[];
  /** What was decided that could have been decided otherwise, a sentence each. */
  notes: readonly string[];
  inferred: Inferred;
  /** What is known of the input, in units of 0..255 pixels. */
  input: InputFacts;
}

/** What a user's own words say beside the card. */
export interface LoadOptions {
  /** Name of the output that holds the scores, before what the card says. */
  output?: string;
  /** Of the input and the labels, before what the card says. */
  given?: GivenCard;
}

/** A protobuf message ends here, and with it an ONNX file. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * Reads a model: an ONNX or TensorFlow Lite file, the model.json of a TensorFlow.js model, or a folder that holds one and its card. A card
 * `model.yaml`, or `NAME.yaml` beside `NAME.onnx`, is read where there is one.
 * @throws InputError or ModelError, one sentence: what is wrong, where, what to do
 */
export function loadModel(given: string, options: LoadOptions = {}): LoadedModel {
  const fingerprints = new FileFingerprints();
  const located = locate(given, fingerprints);
  const { file } = located;
  fingerprints.add(file);
  const bytes = readBounded(file, MAX_BYTES, "a model");
  return ofModel(located, () => {
    try {
      refuseForeign(file, bytes);
      return assemble(located, bytes, options, fingerprints);
    } catch (error) {
      if (error instanceof ModelError && error.code === "model-corrupt") refuseUnread(file, bytes, error);
      if (error instanceof InputError) throw error;
      throw new ModelError(
        "model-corrupt",
        "the model file is damaged or uses its format in an unknown way; export it again",
        { cause: error },
      );
    }
  });
}

/** Does something with a model; what cannot be done bears the name of its file. */
export function ofModel<T>({ file }: { file: string }, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const isNamed = error instanceof ModelError && (error.context.file ?? error.context.subject) !== undefined;
    throw error instanceof ModelError && !isNamed ? inContext(error, { file }) : error;
  }
}

/** What is surely something else is not read any further. */
function refuseForeign(file: string, bytes: Uint8Array): void {
  // So an ONNX file begins, and nothing else that is told by its first bytes alone.
  const kind = bytes[0] === 0x08 ? undefined : foreignKind(bytes);
  if (kind !== undefined) throw new ModelError("model-format", kind, { subject: file });
  if (jsonIn(bytes) === "other" && !file.endsWith(".json"))
    throw new ModelError("model-format", "is JSON, not a model; download the model itself", { subject: file });
}

/** What could not be read is perhaps something else. */
function refuseUnread(file: string, bytes: Uint8Array, cause: ModelError): void {
  const kind = foreignKind(bytes) ?? (file.endsWith(".json") || isTflite(bytes) ? undefined : kindByEnding(file));
  const text = "is a text file, not a model; give an ONNX file, or the model.json of a TensorFlow.js model";
  const what = kind ?? (!file.endsWith(".json") && isText(bytes) ? text : undefined);
  if (what !== undefined) throw new ModelError("model-format", what, { subject: file, cause });
}

function assemble(
  located: Located,
  bytes: Uint8Array,
  options: LoadOptions,
  fingerprints: FileFingerprints,
): LoadedModel {
  const { file, card } = located;
  const notes: string[] = [];
  const inference = new Inference(located, bytes, options.given, fingerprints);
  const others: string[] = [];
  /** Of the output that was chosen. */
  let about = "";
  const hash = createHash("sha256").update(bytes);
  /** Of the parts of other files that an ONNX file names, in the order in which it does. */
  const beside = createHash("sha256");
  const imported = {
    input: inference.hints,
    output: options.output ?? card.output,
    note: (sentence: string) => {
      about ||= ` (${sentence})`;
      notes.push(`${file}: ${sentence}`);
    },
  };
  const shard = (name: string, maxBytes: number): Uint8Array => {
    const part = readWeightsFile(file, name, 0, undefined, fingerprints, maxBytes);
    hash.update(part);
    return part;
  };
  const network = withActivation(
    canonicalise(
      isTflite(bytes)
        ? importTflite(bytes, imported)
        : file.endsWith(".json") || jsonIn(bytes) === "model"
          ? importTfjs(new TextDecoder().decode(bytes), shard, imported)
          : importOnnx(
              bytes,
              (location, offset, length, maxBytes) => {
                const part = readWeightsFile(file, location, offset, length, fingerprints, maxBytes);
                beside.update(part);
                return part;
              },
              imported,
            ),
    ),
    card.activation,
    (sentence) => others.push(`${file}: ${sentence}`),
  );
  const dims = network.shapes.get(network.input)!.slice(1);
  const classes = classesOf(network);
  const { picture, view, labels, input, inferred, notes: more } = inference.read(network, classes, about);
  notes.push(...others);
  const precision = precisionNote(network);
  if (precision !== undefined) imported.note(precision);
  const sha256 = hash.digest("hex");
  const { preprocessing } = picture;
  const meaning = [sha256, beside.digest("hex"), imported.output, network.final, labels.labels, view, preprocessing];
  const identity = createHash("sha256").update(JSON.stringify(meaning)).digest("hex");
  return {
    ...{ file, files: fingerprints.files, card, network, classes, input, inferred },
    channelAxis: picture.layout === "NCHW" ? 1 : dims.length,
    preprocessing,
    unfit: picture.unfit,
    notes: [...more, ...located.notes, ...notes],
    info: {
      name: card.name ?? nameOf(file),
      sha256,
      identity,
      labels: labels.labels,
      channels: Math.max(1, Math.round(picture.channels)),
      ...view,
    },
  };
}

/** What makes probabilities of the scores: the card knows better than the file, which may leave it out. */
function withActivation(
  network: Network,
  activation: ModelCard["activation"],
  note: (sentence: string) => void,
): Network {
  if (activation === undefined || activation === network.final) return network;
  if (network.final !== "none")
    note(`its file ends in a ${network.final}, and its card says activation ${activation}: the card's is taken`);
  return { ...network, final: activation };
}

/** The folder's name for model.onnx, model.json and model.tflite, else the file's without its extension. */
const nameOf = (file: string): string => {
  const { dir, base, name } = path.parse(path.resolve(file));
  const folder = path.basename(dir) === "onnx" ? path.dirname(dir) : dir;
  return /^model\.(?:onnx|json|tflite)$/.test(base) ? path.basename(folder) : name;
};

/** The preprocessing, or the error that says why there is none. */
export function requirePreprocessing(model: LoadedModel): Preprocessing {
  if (!model.preprocessing) throw new ModelError("model-card", `${model.unfit}`, { file: model.file });
  return model.preprocessing;
}
