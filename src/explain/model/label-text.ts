import { parse } from "yaml";
import { excess } from "../../bounded-yaml.js";
import { readCsv } from "../../csv.js";
import { type ErrorCode, InputError } from "../../errors.js";
import { readBounded } from "../../read-file.js";
import { truncateMiddle } from "../../truncate.js";

/** Bytes of a file of labels, and characters of one label. */
const MAX_BYTES = 4 * 2 ** 20;
const MAX_CHARACTERS = 1000;

const shown = (label: string): string => truncateMiddle(label, 60);
const refuse = (code: ErrorCode, reason: string): never => {
  throw new InputError(code, reason);
};

/**
 * The labels in a file, that of class 0 first: one a line, with numbers, ImageNet's identifiers or in a table, or JSON or
 * YAML.
 * @param notes gets what was left out or put in order
 * @throws InputError where they cannot be read
 */
export function labelsIn(file: string, notes: string[]): string[] {
  const labels = read(textIn(file), file, notes).map((label) => label.trim());
  checkLabels(labels, file);
  return labels;
}

function read(text: string, file: string, notes: string[]): string[] {
  if (/\.json$/i.test(file) || /^\s*[[{]\s*["}\]]/.test(text)) return fromJson(text, file);
  if (/\.ya?ml$/i.test(file)) return fromYaml(text, file);
  if (/^\s*item\s*\{/.test(text))
    refuse("labels-form", `${file} is a label map (pbtxt); write one label a line, the first of class 0`);
  const table = fromTable(text, file, notes);
  if (table) return table;
  const lines = text.trimEnd().split(/\r\n|\n|\r/);
  return withoutIdentifiers(lines, file, notes) ?? withoutNumbers(lines, file, notes);
}

/** UTF-8, or UTF-16 as some editors save it. */
function textIn(file: string): string {
  const bytes = readBounded(file, MAX_BYTES, "labels");
  const [a, b] = [bytes[0], bytes[1]];
  const isLittle = (a === 0xff && b === 0xfe) || (a !== 0 && b === 0 && bytes[3] === 0);
  const encoding = isLittle ? "utf-16le" : a === 0xfe && b === 0xff ? "utf-16be" : "utf-8";
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
  return fromFields(map, file);
}

/** Keys under which tools write the labels beside other things. */
const INNER = ["id2label", "names", "labels", "classes", "class_names"];

function fromFields(map: Readonly<Record<string, unknown>>, file: string): string[] {
  const inner = INNER.map((key) => map[key]).find((value) => typeof value === "object" && value !== null) ?? map;
  if (Array.isArray(inner)) return inner.map((label) => word(label, file));
  return fromMap(inner as Readonly<Record<string, unknown>>, file);
}

/** `names` of the data set of Ultralytics or Roboflow, or labels alone. */
function fromYaml(text: string, file: string): string[] {
  let content: unknown;
  const more = excess(text);
  if (more !== undefined) refuse("labels-form", `${file} has ${more}; write one label a line`);
  try {
    content = parse(text, { maxAliasCount: 20, uniqueKeys: false });
  } catch (cause) {
    throw new InputError("labels-form", `${file} is not YAML; write one label a line`, { cause });
  }
  if (Array.isArray(content)) return content.map((label) => word(label, file));
  if (typeof content !== "object" || content === null) return refuse("labels-form", `${file} ${FORMS}`);
  return fromFields(content as Record<string, unknown>, file);
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
export function fromMap(map: Readonly<Record<string, unknown>>, where: string): string[] {
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

/** Columns that hold the number of a class, or its label, by what stands above them. */
const NUMBER_HEADS = /^(?:id|index|idx|class|class[ _]?id|class[ _]?index|label[ _]?id|target|number)$/i;
const LABEL_HEADS = /^(?:labels?|names?|class|class[ _]?names?|label[ _]?name|display[ _]?name|category|description)$/i;

/** A table with the number of each class; undefined where the text is none. */
function fromTable(text: string, file: string, notes: string[]): string[] | undefined {
  const isNamed = /\.(?:csv|tsv)$/i.test(file);
  const rows = [...readCsv(text)].map(({ cells }) => cells);
  const [first] = rows;
  const columns = first?.length ?? 0;
  if (!first || columns > 16 || rows.some(({ length }) => length !== columns)) return undefined;
  if (columns === 1)
    return isNamed ? (LABEL_HEADS.test(first[0]!) ? rows.slice(1) : rows).map(([label]) => label!) : undefined;
  for (const body of [rows, rows.slice(1)]) {
    const hasHead = body !== rows;
    const numbers = first.findIndex((head, k) => isCount(body, k) && (!hasHead || NUMBER_HEADS.test(head)));
    const others = first.flatMap((_, k) => (k === numbers ? [] : [k]));
    const named = hasHead ? others.filter((k) => LABEL_HEADS.test(first[k]!)) : others;
    const label = named.length === 1 ? named[0]! : others.length === 1 ? others[0]! : undefined;
    // What counts its lines in front of the labels is no table.
    if (numbers < 0 || label === undefined || (numbers === 0 && !hasHead && !isNamed)) continue;
    const labels: string[] = [];
    for (const row of body) labels[Number(row[numbers])] = row[label]!;
    notes.push(`${file} is a table: class 0 is "${shown(labels[0]!)}"`);
    return labels;
  }
  return undefined;
}

/** Whether a column holds each number from 0 on once. */
function isCount(rows: readonly (readonly string[])[], column: number): boolean {
  const numbers = new Set(rows.map((row) => (/^\d{1,9}$/.test(row[column]!) ? Number(row[column]) : -1)));
  return (
    rows.length > 0 && numbers.size === rows.length && !numbers.has(-1) && Math.max(...numbers) === rows.length - 1
  );
}

/** `n01440764 tench, Tinca tinca`, as ImageNet lists its classes. */
function withoutIdentifiers(lines: readonly string[], file: string, notes: string[]): string[] | undefined {
  const parts = lines.map((line) => /^\s*n\d{8}[\s,:;]+(\S.*)$/.exec(line));
  const [first] = parts;
  if (!first || parts.includes(null)) return undefined;
  notes.push(`the identifiers before the labels in ${file} are left out: class 0 is "${shown(first[1]!)}"`);
  return parts.map((p) => p![1]!);
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

/** @throws InputError where a label is missing or too long */
export function checkLabels(labels: readonly string[], where: string): void {
  const empty = labels.indexOf("");
  if (empty >= 0 && labels.length > 1)
    refuse("labels-form", `${where} has no text for label ${empty + 1}; write one label for each class`);
  const long = labels.findIndex((label) => label.length > MAX_CHARACTERS);
  if (long >= 0)
    refuse("labels-form", `label ${long + 1} in ${where} takes over ${MAX_CHARACTERS} characters; write a shorter one`);
}
