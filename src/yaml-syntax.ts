import type { ErrorCode, YAMLError } from "yaml";

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
  MULTIPLE_DOCS: "a second document begins here with ---; one document a file is read",
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

/** A fault of the YAML text in a sentence that shows none of the text. */
export function syntaxText(error: YAMLError): string {
  if (error.code === "MISSING_CHAR")
    return MISSING.find(([form]) => form.test(error.message))?.[1] ?? SENTENCES.MISSING_CHAR;
  if (error.code === "BAD_INDENT" && /flow|Flow/.test(error.message)) {
    return "a closing bracket ] or } is missing, or what is inside brackets is indented too little";
  }
  return SENTENCES[error.code] ?? SENTENCES.IMPOSSIBLE;
}
