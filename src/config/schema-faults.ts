import type { Document, LineCounter, Node } from "yaml";
import type { z } from "zod";
import { isSecretKey, redactWhole } from "../redact.js";
import { truncate } from "../truncate.js";
import { dotted, find, type Path, place } from "../yaml-locate.js";
import { nearest } from "./nearest.js";
import { keysAt, placesOf, schemaAt, wordsOf } from "./shape.js";
import { shownKey } from "./syntax.js";

type Issue = z.core.$ZodIssue;

/** A configuration or request as read, for explaining what is wrong with it. */
export interface Reading {
  schema: z.ZodType;
  /** How sentences name the whole, e.g. `the configuration`. */
  called: string;
  document: Document;
  lines: LineCounter;
  data: unknown;
  /** Scalars with environment variables, as written: their values may be secret. */
  written: ReadonlyMap<Node, string>;
  /** Scalars whose variable has no value: already a fault, whatever the emptiness in its place would be. */
  broken: ReadonlySet<Node>;
}

/** A fault with its place, before it is made a sentence with file and line. */
export interface PlacedFault {
  path: string;
  line: number;
  column: number;
  text: string;
}

const NOUNS: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a mapping of keys and values",
  array: "a list",
};
const noun = (expected: string): string => NOUNS[expected] ?? expected;
const placesBySchema = new WeakMap<z.ZodType, Map<string, string[]>>();

function placesIn(schema: z.ZodType): Map<string, string[]> {
  const known = placesBySchema.get(schema) ?? placesOf(schema);
  placesBySchema.set(schema, known);
  return known;
}

function valueAt(data: unknown, path: Path): unknown {
  let at = data;
  for (const part of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[part];
  }
  return at;
}

const quoted = (text: string): string => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not reach a terminal
  const line = redactWhole(text).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
  return `"${truncate(line, 61)}"`;
};

/** What stands at a path, in words; secrets, and values from the environment, are not shown. */
function foundAt(reading: Reading, path: Path): string {
  const value = valueAt(reading.data, path);
  const hide = path.some((part) => isSecretKey(String(part)));
  const written = reading.written.get(find(reading.document, path).node as Node);
  const from = written === undefined ? "" : ` from ${quoted(written)}`;
  if (value === null || value === undefined) return `nothing${from}`;
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value === "string") return hide ? "text" : `text ${written === undefined ? quoted(value) : from.trim()}`;
  const kind = typeof value === "number" ? "the number" : "the value";
  if (hide) return `${kind.replace("the", "a")} that is not in quotes`;
  return from ? kind.replace("the", "a") + from : `${kind} ${value}`;
}

/** Values that may be shown in `"…" is not one of`. */
function textAt(reading: Reading, path: Path): string | undefined {
  const value = valueAt(reading.data, path);
  if (typeof value !== "string" || path.some((part) => isSecretKey(String(part)))) return undefined;
  const written = reading.written.get(find(reading.document, path).node as Node);
  return written ?? value;
}

function bound(issue: { minimum?: number | bigint; maximum?: number | bigint; inclusive?: boolean }): string {
  const [limit, more] = issue.minimum === undefined ? [issue.maximum, false] : [issue.minimum, true];
  if (issue.inclusive === false) return `${more ? "more" : "less"} than ${limit}`;
  return `at ${more ? "least" : "most"} ${limit}`;
}

function size(issue: Issue & { code: "too_small" | "too_big" }): string {
  const { origin } = issue;
  const limit = Number(issue.code === "too_small" ? issue.minimum : issue.maximum);
  const [wants, units] = origin === "array" ? ["have", limit === 1 ? "entry" : "entries"] : ["have", "characters"];
  if (origin !== "array" && origin !== "string") return `be ${bound(issue)}`;
  if (issue.code === "too_small" && limit === 1)
    return origin === "string" ? "not be empty" : "have at least one entry";
  return `${wants} ${bound(issue)} ${units}`;
}

/** What a branch of a union wants, as a noun. */
function wanted(issue: Issue): string {
  if (issue.code === "invalid_value") return issue.values.map((value) => JSON.stringify(value)).join(" or ");
  if (issue.code === "invalid_type") return noun(issue.expected);
  if (issue.code === "too_small" || issue.code === "too_big") return `a number of ${bound(issue)}`;
  return "something else";
}

const choice = (reading: Reading, path: Path, options: readonly string[]): string => {
  const name = dotted(path);
  const text = textAt(reading, path);
  const list = options.join(", ");
  if (text === undefined) return `${name} must be one of ${list}, found ${foundAt(reading, path)}`;
  const near = nearest(text, options);
  return `${name} ${quoted(text)} is not one of ${list}${near ? `; did you mean "${near}"?` : ""}`;
};

function unknownKey(schema: z.ZodType, parent: Path, key: string, others: readonly string[]): string {
  if (key === "") return `a key${parent.length > 0 ? ` of ${dotted(parent)}` : ""} is empty`;
  const name = `${dotted([...parent, "x"]).slice(0, -1)}${shownKey(key).slice(1, -1)}`;
  const near = nearest(key, others);
  if (near) return `${name} is not a known key; did you mean "${near}"?`;
  const places = placesIn(schema).get(key);
  if (places) return `${name} is not a known key here; it belongs at ${places.slice(0, 4).join(" or ")}`;
  if (/^[\w-]+:/.test(key)) return `${name} is not a known key; a space is missing after the colon`;
  return `${name} is not a known key; ${others.length > 0 ? `known here are ${others.join(", ")}` : "none is known here"}`;
}

/** What to do about the wrong kind of scalar, where that is plain. */
function typeHint(expected: string, value: unknown): string {
  if (expected === "string" && (typeof value === "number" || typeof value === "boolean")) return "; put it in quotes";
  if (typeof value !== "string") return "";
  if (expected === "boolean" && /^(?:yes|no|on|off|y|n|true|false)$/i.test(value))
    return "; write true or false, without quotes";
  const numeric = expected === "number" || expected === "int";
  return numeric && value.trim() !== "" && Number.isFinite(Number(value)) ? "; take the quotes away" : "";
}

function issueText(reading: Reading, issue: Issue): string {
  const path = issue.path;
  const name = dotted(path) || reading.called;
  const schema = schemaAt(reading.schema, path, reading.data);
  const about = wordsOf(schema);
  const aside = about ? ` (${about})` : "";
  const missing = valueAt(reading.data, path) === undefined;
  const found = (): string => `, found ${foundAt(reading, path)}`;
  switch (issue.code) {
    case "invalid_type": {
      if (missing) return `${name} is missing; give ${noun(issue.expected)}${aside}`;
      const hint = typeHint(issue.expected, valueAt(reading.data, path));
      return `${name} must be ${noun(issue.expected)}${aside}${found()}${hint}`;
    }
    case "invalid_value":
      if (missing) return `${name} is missing; give one of ${issue.values.join(", ")}`;
      return choice(reading, path, issue.values.map(String));
    case "invalid_union": {
      if ("options" in issue && Array.isArray(issue.options)) {
        const options = issue.options.map(String);
        return missing ? `${name} is missing; give one of ${options.join(", ")}` : choice(reading, path, options);
      }
      const branches = new Set(issue.errors.map((errors) => (errors[0] ? wanted(errors[0]) : "something else")));
      return `${name} must be ${[...branches].join(" or ")}${aside}${found()}`;
    }
    case "too_small":
    case "too_big":
      return `${name} must ${size(issue)}${aside}${issue.origin === "array" ? "" : found()}`;
    case "invalid_format":
      // The schema words its own patterns.
      if (issue.format === "regex") return `${name} ${issue.message}${found()}`;
      return `${name} is not well formed${aside}${found()}`;
    default:
      return `${name} is not valid (${issue.message})${found()}`;
  }
}

/** zod's issues as sentences with their place in the text. At most `limit` are worked out. */
export function schemaFaults(issues: readonly Issue[], reading: Reading, limit: number): PlacedFault[] {
  const faults: PlacedFault[] = [];
  const misspelt = new Set<string>();
  const add = (path: Path, of: "key" | "value", text: string): void => {
    const { line, column } = place(find(reading.document, path), reading.lines, of);
    faults.push({ path: dotted(path), line, column, text });
  };
  for (const issue of issues) {
    if (issue.code !== "unrecognized_keys" || faults.length >= limit) continue;
    const known = keysAt(reading.schema, issue.path, reading.data);
    for (const key of issue.keys.slice(0, limit - faults.length)) {
      const near = nearest(key, known);
      if (near) misspelt.add(dotted([...issue.path, near]));
      add([...issue.path, key], "key", unknownKey(reading.schema, issue.path, key, known));
    }
  }
  for (const issue of issues) {
    if (issue.code === "unrecognized_keys") continue;
    if (faults.length >= limit) break;
    // A misspelt key is one mistake, not two.
    if (misspelt.has(dotted(issue.path)) && valueAt(reading.data, issue.path) === undefined) continue;
    const found = find(reading.document, issue.path);
    if (found.exact && found.node && reading.broken.has(found.node)) continue;
    add(issue.path, "value", issueText(reading, issue));
  }
  return faults;
}
