import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { InputError } from "../../errors.js";
import { readBounded } from "../../read-file.js";
import { listed } from "../../truncate.js";
import { type ModelCard, parseCard } from "./card.js";
import { isConfined } from "./confined.js";
import type { FileFingerprints } from "./file-fingerprints.js";
import { kindByEnding } from "./foreign.js";

/** Bytes of a card beyond which it is refused. */
const MAX_CARD_BYTES = 2 ** 20;

/** A model's file with its card. */
export interface Located {
  file: string;
  card: ModelCard;
  /** Where the card was read; undefined where there is none. */
  cardFile: string | undefined;
  /** Which of several files was taken, in a sentence. */
  notes: readonly string[];
}

/**
 * Finds the file of a model and its card: what is given is a file, whose card is NAME.yaml or model.yaml beside it, or a
 * folder with model.yaml.
 * @throws InputError where there is none; ModelError where the card is wrong
 */
export function locate(given: string, fingerprints: FileFingerprints): Located {
  const stat = existsSync(given) ? statSync(given) : undefined;
  if (!stat)
    throw new InputError(
      "model-missing",
      `model "${given}" does not exist; give an ONNX or TensorFlow Lite file, the model.json of a TensorFlow.js model, or a folder with one of them and model.yaml`,
    );
  if (stat.isDirectory()) return inFolder(given, fingerprints);
  const cardFile = cardBeside(given, fingerprints);
  return { file: given, card: cardFile ? readCard(cardFile) : parseCard("", given), cardFile, notes: [] };
}

/** `NAME.yaml` or `model.yaml` beside a model file. */
function cardBeside(file: string, fingerprints: FileFingerprints): string | undefined {
  const { dir, name } = path.parse(file);
  const cards = [path.join(dir, `${name}.yaml`), path.join(path.dirname(file), "model.yaml")];
  return cards.find((card) => card !== file && fingerprints.exists(card));
}

const readCard = (file: string): ModelCard =>
  parseCard(new TextDecoder().decode(readBounded(file, MAX_CARD_BYTES, "a model card")), file);

function inFolder(folder: string, fingerprints: FileFingerprints): Located {
  const at = path.join(folder, "model.yaml");
  const cardFile = fingerprints.exists(at) ? at : undefined;
  const card = cardFile ? readCard(cardFile) : parseCard("", folder);
  const names = card.model === undefined ? USUAL : [card.model];
  const usual = names.map((name) => path.join(folder, name)).find((f) => fingerprints.exists(f));
  const only = usual === undefined && card.model === undefined ? onlyGraph(folder) : undefined;
  const file = usual ?? (only && path.join(folder, only));
  if (file === undefined)
    throw new InputError(
      "model-missing",
      `folder "${folder}" holds no ${names.slice(0, 2).join(" or ")}; ${insteadOf(folder) ?? 'put the model there or name its file in model.yaml under "model"'}`,
    );
  if (card.model !== undefined && !isConfined(path.resolve(file), path.resolve(at)))
    throw new InputError(
      "model-outside",
      `${at}: the model "${card.model}" lies outside the card's own folder; copy it there, or give its path itself`,
    );
  const notes = card.model === undefined ? ofSeveral(file) : [];
  const own = cardFile === undefined ? cardBeside(file, fingerprints) : undefined;
  return own === undefined ? { file, card, cardFile, notes } : { file, card: readCard(own), cardFile: own, notes };
}

/** Where a model lies in its folder, the first first. */
const USUAL = ["model.onnx", "model.json", "model.tflite", "onnx/model.onnx"];
/** Names of files of fewer bits than the network was trained in: of half as many, and of fewer still. */
const REDUCED = [/[_.-](?:fp16|float16|half|bf16)(?:[_.-]|$)/i, /[_.-](?:q\w*|u?int\d+|quant\w*|bnb4)(?:[_.-]|$)/i];

const graphsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => /\.(?:onnx|tflite)$/i.test(name))
    .toSorted();
/** 0: full precision. */
const reduction = (name: string): number => 1 + REDUCED.findLastIndex((form) => form.test(name.replace(/\.\w+$/, "")));

/** The one ONNX or TensorFlow Lite file, or the one of the highest precision; the folder `onnx` counts where there is none beside it. */
function onlyGraph(folder: string): string | undefined {
  const inner = path.join(folder, "onnx");
  const below = existsSync(inner) && statSync(inner).isDirectory();
  for (const at of below ? [folder, inner] : [folder]) {
    const graphs = graphsIn(at);
    const least = Math.min(...graphs.map(reduction));
    const [only, another] = graphs.filter((name) => reduction(name) === least);
    if (only !== undefined) return another === undefined ? path.join(path.relative(folder, at), only) : undefined;
  }
  return undefined;
}

/** Says so where others that may be meant lie beside the file that is taken: beside `model.onnx`, its own in fewer bits. */
function ofSeveral(file: string): string[] {
  const taken = path.basename(file);
  const isMeant = (name: string): boolean => name !== taken && (taken !== "model.onnx" || reduction(name) > 0);
  const others = graphsIn(path.dirname(file)).filter(isMeant);
  if (others.length === 0 || !/\.(?:onnx|tflite)$/i.test(file)) return [];
  return [
    `${file} is taken, and not ${listed(others)} beside it; name another as "model" in model.yaml, or give its path`,
  ];
}

/** What to do about the files that a folder holds in a model's place. */
function insteadOf(folder: string): string | undefined {
  const names = readdirSync(folder);
  const graphs = graphsIn(folder);
  if (graphs.length > 0)
    return `it holds ${listed(graphs)}: name ${graphs.length > 1 ? "one" : "it"} in model.yaml under "model"`;
  if (names.includes("saved_model.pb"))
    return `it is a TensorFlow SavedModel: convert it with "python3 -m tf2onnx.convert --saved-model ${folder} --output model.onnx"`;
  if (names.some((name) => /\.mlpackage$|^Manifest\.json$/.test(name)))
    return "it is a Core ML package: give the model that it was converted from, as an ONNX file";
  const other = names.find((name) => !/\.(?:ya?ml|bin|txt|json|md)$/i.test(name) && kindByEnding(name) !== undefined);
  return other && `its file ${other} ${kindByEnding(other)}`;
}
