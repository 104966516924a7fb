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
  type YAMLError,
} from "yaml";
import { keysGivenTwice } from "../bounded-yaml.js";

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

// The parser's own messages may quote the text, and with it a password: each code gets a sentence of ours.
const SENTENCES: Record<ErrorCode, string> = {
  ALIAS_PROPS: "an alias (*name) takes no anchor or tag",
  BAD_ALIAS: "an anchor or alias is not well named; a value that begins with * or & must be quoted",
  BAD_DIRECTIVE: "a directive (%…) is not understood; a value that begins with % must be quoted",
  BAD_DQ_ESCAPE: "a backslash escape is not known; write \\\\ for a backslash, or use 'single quotes'",
  BAD_INDENT: "the indentation does not fit; entries of one mapping or list begin at the same column",
  BAD_PROP_ORDER: "an anchor or tag must come after the - or : indicator",
  BAD_SCALAR_START: "a value begins with a reserved character; put it in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "a mapping or list begins where a single value is expected; a value that holds : followed by a space must be quoted",
  BLOCK_IN_FLOW: "an indented mapping or list is not allowed inside { } or [ ]",
  DUPLICATE_KEY: "a key is given twice",
  IMPOSSIBLE: "the text is not understood here",
  KEY_OVER_1024_CHARS: "a key is longer than 1024 characters",
  MISSING_CHAR: "something is missing here",
  MULTILINE_IMPLICIT_KEY: "a key must stand on one line and be followed by a colon and a space",
  MULTIPLE_ANCHORS: "a value has more than one anchor",
  MULTIPLE_DOCS: "a second document begins here with ---; a configuration is one document",
  MULTIPLE_TAGS: "a value has more than one tag",
  NON_STRING_KEY: "a key is not text",
  RESOURCE_EXHAUSTION: "the text is nested too deeply",
  TAB_AS_INDENT: "a tab is used to indent; use spaces",
  TAG_RESOLVE_FAILED: "a tag (!…) is not known or does not fit its value; a value that begins with ! must be quoted",
  UNEXPECTED_TOKEN: "the text is not understood here; a value with special characters must be quoted",
  BAD_COLLECTION_TYPE: "a tag (!…) does not fit its value",
};

const MISSING: readonly (readonly [RegExp, string])[] = [
  [/closing "quote/, 'a closing " is missing'],
  [/closing 'quote/, "a closing ' is missing"],
  [/Missing space after :/, "a space is missing after the colon"],
  [/Missing , between|Missing , or :/, "a comma is missing between entries"],
  [/Comments must be separated/, "a space is missing before the # of a comment; a value that holds # must be quoted"],
  [
    /Implicit map keys|Sequence item without/,
    "a key must be followed by a colon and a space, a list entry begins with - and a space",
  ],
  [/Flow|flow|expected.*\]|expected.*\}/, "a closing bracket ] or } is missing"],
  [/Tags and anchors/, "a space is missing after a tag or anchor"],
];

const HARMLESS: ReadonlySet<ErrorCode> = new Set([
  "DUPLICATE_KEY",
  "MULTIPLE_DOCS",
  "TAG_RESOLVE_FAILED",
  "BAD_COLLECTION_TYPE",
]);

function syntaxText(error: YAMLError): string {
  if (error.code === "MISSING_CHAR")
    return MISSING.find(([form]) => form.test(error.message))?.[1] ?? SENTENCES.MISSING_CHAR;
  if (error.code === "BAD_INDENT" && /flow|Flow/.test(error.message)) {
    return "a closing bracket ] or } is missing, or what is inside brackets is indented too little";
  }
  return SENTENCES[error.code] ?? SENTENCES.IMPOSSIBLE;
}

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
