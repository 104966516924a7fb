import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
const FILE = "models/efficientnet-lite0/labels.txt";
/** Of the file with ImageNet's own names, one a line, in the order of the scores. */
const IMAGENET = "ee4fa67b1dd46919ef87529b70e25bdd1ec9ebd350de3ad426e6640eb70320a1";

/** Rows `| index | ImageNet's name | the name here |`. */
const renamed = [...read("docs/models.md").matchAll(/^\| (\d+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(
  ([, index, theirs, ours]) => ({ index: Number(index), theirs: theirs!, ours: ours! }),
);

it("the names of ImageNet's classes are its own, in its order, but for those that the documents list", () => {
  const labels = read(FILE).trimEnd().split("\n");
  expect(renamed.length).toBeGreaterThan(20);
  for (const { index, theirs, ours } of renamed) {
    expect(labels[index]).toBe(ours);
    labels[index] = theirs;
  }
  const own = `${labels.join("\n")}\n`;
  expect(createHash("sha256").update(own).digest("hex")).toBe(IMAGENET);
});

it("no new name is that of another class", () => {
  const labels = read(FILE).trimEnd().split("\n");
  for (const { ours } of renamed) expect(labels.filter((label) => label === ours)).toEqual([ours]);
});
