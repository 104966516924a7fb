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
  const { dir, name } = path.parse(given);
  const cards = [path.join(dir, `${name}.yaml`), path.join(path.dirname(given), "model.yaml")];
  const cardFile = cards.find((c) => c !== given && fingerprints.exists(c));
  return { file: given, card: cardFile ? readCard(cardFile) : parseCard("", given), cardFile };
}

const readCard = (file: string): ModelCard =>
  parseCard(new TextDecoder().decode(readBounded(file, MAX_CARD_BYTES, "a model card")), file);

function inFolder(folder: string, fingerprints: FileFingerprints): Located {
  const at = path.join(folder, "model.yaml");
  const cardFile = fingerprints.exists(at) ? at : undefined;
  const card = cardFile ? readCard(cardFile) : parseCard("", folder);
  const names = card.model === undefined ? ["model.onnx", "model.json", "model.tflite"] : [card.model];
  const file = names.map((name) => path.join(folder, name)).find((f) => fingerprints.exists(f));
  if (file === undefined)
    throw new InputError(
      "model-missing",
      `folder "${folder}" holds no ${names.join(" or ")}; ${insteadOf(folder) ?? 'put the model there or name its file in model.yaml under "model"'}`,
    );
  if (card.model !== undefined && !isConfined(path.resolve(file), path.resolve(at)))
    throw new InputError(
      "model-outside",
      `${at}: the model "${card.model}" lies outside the card's own folder; copy it there, or give its path itself`,
    );
  return { file, card, cardFile };
}

/** What to do about the files that a folder holds in a model's place. */
function insteadOf(folder: string): string | undefined {
  const names = readdirSync(folder);
  const graphs = names.filter((name) => /\.onnx$/i.test(name));
  if (graphs.length > 0) return `it holds ${listed(graphs)}: name it in model.yaml under "model"`;
  if (names.includes("saved_model.pb"))
    return `it is a TensorFlow SavedModel: convert it with "python3 -m tf2onnx.convert --saved-model ${folder} --output model.onnx"`;
  if (names.some((name) => /\.mlpackage$|^Manifest\.json$/.test(name)))
    return "it is a Core ML package: give the model that it was converted from, as an ONNX file";
  const other = names.find((name) => !/\.(?:ya?ml|bin|txt|json|md)$/i.test(name) && kindByEnding(name) !== undefined);
  return other && `its file ${other} ${kindByEnding(other)}`;
}
