import path from "node:path";
import { parse } from "yaml";
import { excess } from "../../../bounded-yaml.js";
import { readBounded } from "../../../read-file.js";
import { isBeside } from "../confined.js";
import type { FileFingerprints } from "../file-fingerprints.js";

/** Bytes of a file that says something of a model: the labels of ImageNet-21k twice take some 3 MiB. */
const MAX_BYTES = 16 * 2 ** 20;

/** A map of JSON, YAML or Python, whose values are not known yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** What lies beside a model. What cannot be read is left alone, and said. */
export interface Look {
  /** The path of a file beside the model, where there is one that may be read; `outside` is told of one that may not. */
  file(name: string, outside?: (file: string) => never): string | undefined;
  /** Its content, where it is a map. */
  json(name: string): { file: string; content: Fields } | undefined;
  yaml(name: string): { file: string; content: Fields } | undefined;
}

/** @param note is told in a sentence of files that are left alone */
export function lookBeside(
  folder: string,
  modelFile: string,
  fingerprints: FileFingerprints,
  note: (sentence: string) => void,
): Look {
  const file = (name: string, outside?: (file: string) => never): string | undefined => {
    const at = path.join(folder, name);
    if (!fingerprints.exists(at)) return undefined;
    if (isBeside(at, modelFile)) return at;
    outside?.(name);
    note(`${at} is a link that leads out of its folder; it is left alone`);
    return undefined;
  };
  const content = (name: string, parsed: (text: string) => unknown, kind: string) => {
    const at = file(name);
    if (at === undefined) return undefined;
    try {
      const value = parsed(new TextDecoder().decode(readBounded(at, MAX_BYTES, "what is said of a model")));
      return isFields(value) ? { file: at, content: value } : undefined;
    } catch {
      note(`${at} cannot be read as ${kind}; it is left alone`);
      return undefined;
    }
  };
  return {
    file,
    json: (name) => content(name, (text) => JSON.parse(text), "JSON"),
    yaml: (name) => content(name, boundedYaml, "YAML"),
  };
}

function boundedYaml(text: string): unknown {
  const more = excess(text);
  if (more !== undefined) throw new Error(more);
  return parse(text, { maxAliasCount: 20, uniqueKeys: false });
}

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});
export const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;
export const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** A size in pixels. */
export const sideOf = (value: unknown): number | undefined => {
  const side = numberOf(value);
  return side !== undefined && Number.isInteger(side) && side >= 1 && side <= 65_500 ? side : undefined;
};

/** One number a channel, or one for all of them. */
export function channelsOf(value: unknown): number[] | undefined {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  const numbers = values.flatMap((v) => numberOf(v) ?? []);
  return numbers.length === values.length && numbers.length >= 1 && numbers.length <= 3 ? numbers : undefined;
}

/** Labels of a list or of a map from the numbers of the classes, where it has one for each. */
export function labelsOf(value: unknown): string[] | undefined {
  const isLabel = (v: unknown): v is string | number => typeof v === "string" || typeof v === "number";
  if (Array.isArray(value)) return value.length > 0 && value.every(isLabel) ? value.map(String) : undefined;
  const map = fieldsOf(value);
  const count = Object.keys(map).length;
  const labels = Array.from({ length: count }, (_, k) => map[String(k)]);
  return count > 0 && labels.every(isLabel) ? labels.map(String) : undefined;
}
