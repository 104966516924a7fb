import {
  type Document,
  type ErrorCode,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from "yaml";
import { keysGivenTwice } from "../bounded-yaml.js";
import { syntaxText } from "../yaml-syntax.js";

/** A fault of the YAML text itself. `fatal`: what was read after it is guesswork. */
export interface SyntaxFault {
  offset: number;
  message: string;
  fatal: boolean;
}

export interface ParsedText {
  document: Document;
  lines: LineCounter;
  faults: SyntaxFault[];
}

/** More aliases than this, counted as if each were written out, are taken for an attack on memory. */
export const MAX_ALIASES = 10_000;

const HARMLESS: ReadonlySet<ErrorCode> = new Set([
  "DUPLICATE_KEY",
  "MULTIPLE_DOCS",
  "TAG_RESOLVE_FAILED",
  "BAD_COLLECTION_TYPE",
]);

/** What of a key may be shown: a key with more in it may be a password after a forgotten space. */
export function shownKey(key: string): string {
  const clean = /^[\w.<-]{0,40}/.exec(key)![0];
  return clean.length === key.length ? `"${key}"` : `"${clean}…"`;
}

const duplicates = (document: Document): SyntaxFault[] =>
  keysGivenTwice(document).map(({ name, offset }) => {
    return { offset, message: `${shownKey(name)} is given twice in the same mapping; keep one`, fatal: false };
  });

function unresolvedAliases(document: Document): SyntaxFault[] {
  const faults: SyntaxFault[] = [];
  const anchors = new Set<string>();
  visit(document, {
    Node: (_, node) => {
      if ("anchor" in node && node.anchor) anchors.add(node.anchor);
    },
    Alias: (_, alias) => {
      if (anchors.has(alias.source)) return;
      const message = "an alias (*name) has no anchor (&name) before it; a value that begins with * must be quoted";
      faults.push({ offset: alias.range?.[0] ?? 0, message, fatal: true });
    },
  });
  return faults;
}

function badMerges(document: Document): SyntaxFault[] {
  const faults: SyntaxFault[] = [];
  const mapping = (node: unknown): boolean => isMap(isAlias(node) ? node.resolve(document) : node);
  visit(document, {
    Pair: (_, { key, value }) => {
      if (!isScalar(key) || key.value !== "<<" || key.type !== "PLAIN") return;
      if (mapping(value) || (isSeq(value) && value.items.every(mapping))) return;
      const message = "a merge key << must be followed by an alias of a mapping, or by a list of such aliases";
      faults.push({ offset: key.range?.[0] ?? 0, message, fatal: true });
    },
  });
  return faults;
}

/** Reads YAML. Throws RangeError when it is nested too deeply for the stack. */
export function parseYaml(text: string): ParsedText {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
    merge: true,
    version: "1.2",
    logLevel: "error",
  });
  const faults: SyntaxFault[] = [];
  // Most warnings are matters of taste (a closing bracket at its parent's column); a tag that is ignored is not.
  const warnings = document.warnings.filter(
    ({ code }) => code === "TAG_RESOLVE_FAILED" || code === "BAD_COLLECTION_TYPE",
  );
  for (const error of [...document.errors, ...warnings]) {
    faults.push({ offset: error.pos[0], message: syntaxText(error), fatal: !HARMLESS.has(error.code) });
  }
  faults.push(...duplicates(document), ...unresolvedAliases(document));
  if (!faults.some((fault) => fault.fatal)) faults.push(...badMerges(document));
  return { document, lines, faults };
}
