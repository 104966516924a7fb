import path from "node:path";
import { type ErrorCode, InputError } from "../../errors.js";
import { readBounded } from "../../read-file.js";
import { truncateMiddle } from "../../truncate.js";
import type { ModelCard } from "./card.js";
import { isConfined } from "./confined.js";
import type { FileFingerprints } from "./file-fingerprints.js";

/** Labels of the classes, the first of class 0, and what was made of them that a reader should know. */
export interface Labels {
  labels: string[];
  notes: string[];
}

/** Bytes of a file of labels, and characters of one label. */
const MAX_BYTES = 4 * 2 ** 20;
const MAX_CHARACTERS = 1000;

const shown = (label: string): string => truncateMiddle(label, 60);
const refuse = (code: ErrorCode, reason: string): never => {
  throw new InputError(code, reason);
};

/**
 * The labels of a model: from its card, or labels.txt beside it, else the numbers of the classes.
 * @param cardFile where the card was read, if there is one
 * @param about what to add where the count is wrong, e.g. which output was taken
 * @throws InputError where they are missing, outside the folder of the card, or not one for each class
 */
export function readLabels(
  card: ModelCard,
  cardFile: string | undefined,
  modelFile: string,
  classes: number,
  fingerprints: FileFingerprints,
  about = "",
): Labels {
  const namedBy = cardFile ?? modelFile;
  const source =
    card.labels ?? (fingerprints.exists(path.join(path.dirname(modelFile), "labels.txt")) ? "labels.txt" : undefined);
  if (source === undefined) return { labels: Array.from({ length: classes }, (_, k) => `class ${k}`), notes: [] };
  const where =
    typeof source === "string" ? labelFile(source, card.labels ? namedBy : modelFile, fingerprints) : namedBy;
  const notes: string[] = [];
  const given =
    typeof source === "string" ? labelsIn(where, notes) : Array.isArray(source) ? source : fromMap(source, where);
  const labels = given.map((label) => label.trim());
  check(labels, where);
  return forClasses(labels, classes, where, notes, about);
}

function labelFile(source: string, namedBy: string, fingerprints: FileFingerprints): string {
  const folder = path.dirname(path.resolve(namedBy));
  const file = path.resolve(folder, source);
  const outside = (): never =>
    refuse(
      "labels-outside",
      `${namedBy}: the label file "${truncateMiddle(source, 200)}" lies outside the card's own folder; copy it there`,
    );
  if (!file.startsWith(folder + path.sep) && file !== folder) outside();
  if (!fingerprints.exists(file))
    refuse(
      "labels-missing",
      `${namedBy}: the label file "${truncateMiddle(source, 200)}" does not exist; write one label a line into it`,
    );
  if (file !== folder && !isConfined(file, namedBy)) outside();
  return file;
}

function labelsIn(file: string, notes: string[]): string[] {
  const text = textIn(file);
  if (/\.json$/i.test(file) || /^\s*[[{]\s*["}\]]/.test(text)) return fromJson(text, file);
  if (/^\s*item\s*\{/.test(text))
    refuse("labels-form", `${file} is a label map (pbtxt); write one label a line, the first of class 0`);
  const lines = text.replace(/\s+$/, "").split(/\r\n|\n|\r/);
  return withoutNumbers(lines, file, notes);
}

/** UTF-8, or UTF-16 that says so, as some editors save it. */
function textIn(file: string): string {
  const bytes = readBounded(file, MAX_BYTES, "labels");
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InputError("labels-form", `${file} is not text in UTF-8; save it as UTF-8, one label a line`, { cause });
  }
}

function fromJson(text: string, file: string): string[] {
  let content: unknown;
  try {
    content = JSON.parse(text.trim());
  } catch (cause) {
    throw new InputError("labels-form", `${file} is not JSON; write one label a line, or a JSON list of labels`, {
      cause,
    });
  }
  if (Array.isArray(content)) return content.map((label) => word(label, file));
  if (typeof content !== "object" || content === null) return refuse("labels-form", `${file} ${FORMS}`);
  const map = content as Record<string, unknown>;
  const inner = map.id2label;
  return fromMap((typeof inner === "object" && inner !== null ? inner : map) as Record<string, unknown>, file);
}

const FORMS = "holds no labels that can be read; give a list of labels, or a map from each class's number to its label";

function word(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  // As Keras lists the classes of ImageNet: an identifier, then the name.
  if (Array.isArray(value) && value.length === 2 && typeof value[1] === "string") return value[1];
  return refuse("labels-form", `${where} ${FORMS}`);
}

/** From each class's number to its label, or the other way round. */
function fromMap(map: Readonly<Record<string, unknown>>, where: string): string[] {
  const entries = Object.entries(map);
  const isNumber = (v: unknown): boolean => /^\d{1,9}$/.test(String(v));
  const turned = !entries.every(([key]) => isNumber(key)) && entries.every(([, v]) => typeof v === "number");
  const pairs = entries.map(([key, v]) => (turned ? [Number(v), key] : [Number(key), v]) as [number, unknown]);
  const labels = new Map(pairs);
  for (let k = 0; k < pairs.length; k++)
    if (!labels.has(k))
      refuse("labels-form", `${where} has no label for class ${k}; number its classes from 0 on, leaving none out`);
  if (labels.size !== pairs.length) refuse("labels-form", `${where} numbers two classes alike; number each once`);
  return pairs.map((_, k) => word(labels.get(k), where));
}

/** `0 cat`, `1: dog`: lines that bear their own number, which is no part of the label. */
function withoutNumbers(lines: readonly string[], file: string, notes: string[]): string[] {
  const parts = lines.map((line) => /^\s*(\d{1,9})(?:\s*[:,;.)\t]\s*|\s+)(\S.*)$/.exec(line));
  const numbers = parts.map((p) => (p ? Number(p[1]) : Number.NaN));
  const first = Math.min(...numbers);
  if (lines.length < 2 || !(first === 0 || first === 1)) return [...lines];
  if (numbers.every((n, k) => n === first + k)) {
    notes.push(
      `the numbers before the labels in ${file} count its lines and are left out: class 0 is "${shown(parts[0]![2]!)}"`,
    );
    return parts.map((p) => p![2]!);
  }
  if (new Set(numbers).size === lines.length && Math.max(...numbers) === first + lines.length - 1)
    refuse(
      "labels-form",
      `${file} numbers its lines, but not in their order; write the labels alone, that of class 0 first`,
    );
  return [...lines];
}

function check(labels: readonly string[], where: string): void {
  const empty = labels.indexOf("");
  if (empty >= 0 && labels.length > 1)
    refuse("labels-form", `${where} has no text for label ${empty + 1}; write one label for each class`);
  const long = labels.findIndex((label) => label.length > MAX_CHARACTERS);
  if (long >= 0)
    refuse("labels-form", `label ${long + 1} in ${where} takes over ${MAX_CHARACTERS} characters; write a shorter one`);
}

function forClasses(labels: string[], classes: number, where: string, notes: string[], about: string): Labels {
  if (labels.length === classes) return { labels, notes };
  if (classes === 1 && labels.length === 2) {
    const [low, high] = labels as [string, string];
    notes.push(`the model has one score, of "${shown(high)}": "${shown(low)}" is what a probability near 0 means`);
    return { labels: [high], notes };
  }
  const count = `${labels.length === 1 && labels[0] === "" ? 0 : labels.length}`;
  return refuse(
    "labels-count",
    `${where} has ${count} labels, but the model has ${classes} classes; it needs one label a line for each class${
      classes === 1 ? ", or two: what a low and what a high score means" : ""
    }${about}`,
  );
}
