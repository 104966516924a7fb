import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

/** The papers, by path from the root of the repository. */
export const PAPERS: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

export const textOf = (paper: string): string => readFileSync(join(ROOT, paper), "utf8");

export interface Block {
  paper: string;
  language: string;
  text: string;
}

/** The fenced blocks of the papers, in their order. */
export const BLOCKS: readonly Block[] = PAPERS.flatMap((paper) =>
  [...textOf(paper).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    paper,
    language: language!,
    text: text!,
  })),
);

/** Blocks of a language, each with a name. */
export const blocksOf = (language: string): [string, string][] =>
  BLOCKS.filter((block) => block.language === language).map(({ paper, text }, i) => [`${paper}, ${i + 1}`, text]);

/** Commands of the shell blocks: lines without their comment, spaces once, each once. */
export const COMMANDS: readonly string[] = [
  ...new Set(
    BLOCKS.filter(({ language }) => language === "sh").flatMap(({ text }) =>
      text
        .split("\n")
        .map((line) =>
          line
            .replace(/\s+# .*$/, "")
            .replace(/ {2,}/g, " ")
            .trim(),
        )
        .filter((line) => line !== ""),
    ),
  ),
];

/** A paper without its fenced blocks. */
export const proseOf = (paper: string): string => textOf(paper).replace(/^```[\s\S]*?^```$/gm, "");
