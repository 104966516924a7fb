import path from "node:path";
import { type ErrorCode, InputError } from "../../errors.js";
import { truncateMiddle } from "../../truncate.js";
import type { ModelCard } from "./card.js";
import { isConfined } from "./confined.js";
import { COMMAND_LINE } from "./facts.js";
import type { FileFingerprints } from "./file-fingerprints.js";
import { areLabels, checkLabels, fromMap, labelsIn } from "./label-text.js";
import type { Look } from "./origins/look.js";

/** Labels of the classes, the first of class 0, and what was made of them that a reader should know. */
export interface Labels {
  labels: string[];
  notes: string[];
  /** Where they come from; undefined where there are none but the numbers of the classes. */
  from?: string;
}

/** Labels that something says, and what was left out of them. */
interface Candidate {
  from: string;
  labels: readonly string[];
  notes: readonly string[];
}

/** Where labels are looked for beside a model, the first first. */
export const LABEL_FILES = [
  "labels.txt",
  "labels.json",
  "labels.csv",
  "class_indices.json",
  "class_names.txt",
  "class_names.json",
  "classes.txt",
  "classes.json",
  "dict.txt",
  "synset.txt",
  "synset_words.txt",
  "imagenet_classes.txt",
  "data.yaml",
];

/** Pixel values of nothing that is looked for, as TensorFlow's classifiers of ImageNet have it as class 0. */
const BACKGROUND = /^_*(?:background|dummy|unlabell?ed|none)_*$/i;
const IMAGENET_CLASSES = 1000;

const shown = (label: string): string => truncateMiddle(label, 60);
const refuse = (code: ErrorCode, reason: string): never => {
  throw new InputError(code, reason);
};

/** What `readLabels` looks at. */
export interface LabelSources {
  /** What the user says beside the card: a file, wherever it lies, or the labels. */
  given?: string | readonly string[];
  card: ModelCard;
  /** Where the card was read, if there is one. */
  cardFile: string | undefined;
  modelFile: string;
  fingerprints: FileFingerprints;
  /** The folders of the model, the nearest first. */
  folders: readonly Look[];
  /** What other files say, the one that wins first. */
  others: readonly { from: string; labels: readonly string[] }[];
}

/**
 * The labels of a model: as the user gives them, from its card, from a file of labels beside it, from what else lies there
 * or in it, else the numbers of the classes.
 * @param about what to add where the count is wrong, e.g. which output was taken
 * @throws InputError where they are missing, outside the folder of the card, or not one for each class
 */
export function readLabels(sources: LabelSources, classes: number, about = ""): Labels {
  const said = saidLabels(sources);
  const left: string[] = [];
  const others = sources.others.filter(({ from, labels }) => {
    const isRight = areLabels(labels);
    if (!isRight) left.push(`${from} has labels that are empty or too long; they are left alone`);
    return isRight;
  });
  const found = [...besideLabels(sources), ...others.map((other) => ({ ...other, notes: [] }))];
  if (said) {
    const fitted = fit(said, classes) ?? refuseCount(said, classes, about);
    return { ...fitted, notes: [...fitted.notes, ...left, ...differences(fitted, found, classes)] };
  }
  const fitting = found.flatMap((candidate) => fit(candidate, classes) ?? []);
  const [first] = fitting;
  const [nearest] = found;
  if (!first) {
    if (nearest && !sources.others.some(({ from }) => from === nearest.from)) refuseCount(nearest, classes, about);
    const notes = found.map(({ from, labels }) => unfit(from, labels.length, classes));
    return { labels: Array.from({ length: classes }, (_, k) => `class ${k}`), notes: [...left, ...notes] };
  }
  const unfits = found.filter(({ labels }) => !fit({ from: "", labels, notes: [] }, classes));
  const notes = unfits.map(
    ({ from, labels }) => `${unfit(from, labels.length, classes)}; those of ${first.from} are taken`,
  );
  return { ...first, notes: [...first.notes, ...left, ...notes, ...differences(first, found, classes)] };
}

const unfit = (from: string, labels: number, classes: number): string =>
  `${from} has ${labels} labels, and the model has ${classes} classes`;

function saidLabels({ given, card, cardFile, modelFile, fingerprints }: LabelSources): Candidate | undefined {
  const notes: string[] = [];
  if (typeof given === "string") {
    if (!fingerprints.exists(given))
      refuse(
        "labels-missing",
        `the label file "${truncateMiddle(given, 200)}" does not exist; write one label a line into it`,
      );
    return { from: given, labels: labelsIn(given, notes), notes };
  }
  const namedBy = cardFile ?? modelFile;
  const source = given ?? card.labels;
  if (source === undefined) return undefined;
  if (typeof source === "string") {
    const from = labelFile(source, namedBy, fingerprints);
    return { from, labels: labelsIn(from, notes), notes };
  }
  const from = given ? COMMAND_LINE : namedBy;
  const labels = (isList(source) ? source : fromMap(source, from)).map((label) => label.trim());
  checkLabels(labels, from);
  return { from, labels, notes };
}

const isList = (value: object): value is readonly string[] => Array.isArray(value);

/** Of files of other names nobody said that they hold labels. */
function* besideLabels({ folders, modelFile }: LabelSources): Generator<Candidate> {
  for (const folder of folders)
    for (const name of LABEL_FILES) {
      const file = folder.file(name, name === "labels.txt" ? refuseOutside(modelFile) : undefined);
      const notes: string[] = [];
      if (file === undefined) continue;
      try {
        yield { from: file, labels: labelsIn(file, notes), notes };
      } catch (error) {
        if (name === "labels.txt" || !(error instanceof InputError)) throw error;
      }
    }
}

const refuseOutside =
  (namedBy: string) =>
  (file: string): never =>
    refuse(
      "labels-outside",
      `${namedBy}: the label file "${truncateMiddle(file, 200)}" lies outside the card's own folder; copy it there`,
    );

function labelFile(source: string, namedBy: string, fingerprints: FileFingerprints): string {
  const folder = path.dirname(path.resolve(namedBy));
  const file = path.resolve(folder, source);
  const outside = (): never => refuseOutside(namedBy)(source);
  if (!file.startsWith(folder + path.sep) && file !== folder) outside();
  if (!fingerprints.exists(file))
    refuse(
      "labels-missing",
      `${namedBy}: the label file "${truncateMiddle(source, 200)}" does not exist; write one label a line into it`,
    );
  if (file !== folder && !isConfined(file, namedBy)) outside();
  return file;
}

interface Fitted {
  from: string;
  labels: string[];
  notes: string[];
}

/** One label for each class, where that is what the labels can mean. */
function fit({ from, labels: given, notes: before }: Candidate, classes: number): Fitted | undefined {
  const labels = [...given];
  const notes = [...before];
  if (labels.length === classes) return { from, labels, notes };
  if (classes === 1 && labels.length === 2) {
    const [low, high] = labels as [string, string];
    notes.push(`the model has one score, of "${shown(high)}": "${shown(low)}" is what a probability near 0 means`);
    return { from, labels: [high], notes };
  }
  if (labels.length === classes + 1 && BACKGROUND.test(labels[0]!)) {
    notes.push(
      `${from} has a label more than the model has classes, and "${shown(labels[0]!)}", its first, is left out`,
    );
    return { from, labels: labels.slice(1), notes };
  }
  if (labels.length === IMAGENET_CLASSES && classes === IMAGENET_CLASSES + 1) {
    notes.push(
      `${from} has ${labels.length} labels, and the model has ${classes} classes: class 0 is taken to be the background`,
    );
    return { from, labels: ["background", ...labels], notes };
  }
  return undefined;
}

/** Of other places that could have given the labels, the first class that they call otherwise. */
function* differences(taken: Fitted, found: readonly Candidate[], classes: number): Generator<string> {
  for (const other of found) {
    const labels = other.from === taken.from ? undefined : fit({ ...other, notes: [] }, classes)?.labels;
    const at = labels?.findIndex((label, k) => label !== taken.labels[k]) ?? -1;
    if (at >= 0)
      yield `class ${at} is "${shown(labels![at]!)}" in ${other.from} and "${shown(taken.labels[at]!)}" in ${taken.from}: the labels of ${taken.from} are taken`;
  }
}

function refuseCount({ labels, from }: Candidate, classes: number, about: string): never {
  const count = `${labels.length === 1 && labels[0] === "" ? 0 : labels.length}`;
  const background = labels.length === classes - 1 ? "; where class 0 is the background, write it in front" : "";
  return refuse(
    "labels-count",
    `${from} has ${count} labels, but the model has ${classes} classes; it needs one label a line for each class${
      classes === 1 ? ", or two: what a low and what a high score means" : background
    }${about}`,
  );
}
