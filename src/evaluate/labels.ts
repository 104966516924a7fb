import { basename, dirname, extname, join } from "node:path";
import { readCsv } from "../csv.js";
import { InputError } from "../errors.js";
import { PICTURE_ENDINGS } from "../pictures/kinds.js";
import { readBounded } from "../read-file.js";
import { listed } from "../truncate.js";

/** A class as people write it in names of folders. */
const plain = (label: string): string => label.trim().toLowerCase().replaceAll("_", " ");

/** Whether a file is an image by its name. */
export const isImageName = (name: string): boolean => PICTURE_ENDINGS.has(extname(name).toLowerCase());

/** Finds classes by what people call them. */
export class Classes {
  readonly #index = new Map<string, number>();

  constructor(readonly labels: readonly string[]) {
    // Of a label of several names, as ImageNet has them, each; the whole one comes first.
    const parts = labels.map((label) => label.split(","));
    for (const names of [labels.map((label) => [label]), parts])
      names.forEach((all, k) => {
        for (const name of all) if (!this.#index.has(plain(name))) this.#index.set(plain(name), k);
      });
  }

  /** By label or, where no label is called so, by index. */
  find(text: string): number | undefined {
    const named = this.#index.get(plain(text));
    if (named !== undefined) return named;
    const index = /^\d{1,6}$/.test(text.trim()) ? Number(text) : Number.NaN;
    return index < this.labels.length ? index : undefined;
  }

  /** @throws InputError that says where the class was named */
  require(text: string, where: string): number {
    const found = this.find(text);
    if (found === undefined)
      throw new InputError(
        "evaluate-labels",
        `${where} names the class "${text}", which the model does not have; it has ${listed(this.labels, 8)}`,
      );
    return found;
  }
}

/** A file of labels beyond which it is refused. */
const MAX_BYTES = 2 ** 26;
/** Heads of columns that hold a label. */
const LABEL_HEAD = /^(?:label|class|category|target|second|third)[\s_-]*\w*$/i;

/**
 * Classes of images by their path, in the order of the file. The first column is the image; with a head, those called `label`, `class`,
 * `second` and the like hold a class each, where none is called so and without a head all others.
 * @param find the image that a file means
 * @throws InputError naming the line
 */
export function readLabelsFile(
  file: string,
  classes: Classes,
  find: (written: string) => string | undefined,
): Map<string, number[]> {
  const found = new Map<string, number[]>();
  let columns: number[] | undefined;
  for (const { line, cells } of readCsv(new TextDecoder().decode(readBounded(file, MAX_BYTES, "labels")))) {
    const [first, ...others] = cells as [string, ...string[]];
    const path = find(first);
    if (columns === undefined) {
      const isHead =
        path === undefined && !isImageName(first) && others.every((cell) => classes.find(cell) === undefined);
      columns = others.flatMap((cell, k) => (isHead && LABEL_HEAD.test(cell) ? [k] : []));
      if (isHead) continue;
    }
    const wanted = columns.length > 0 ? columns.map((k) => others[k] ?? "") : others;
    const written = wanted.filter((cell) => cell !== "");
    const where = `${file} line ${line}`;
    if (first === "" || written.length === 0)
      throw new InputError("evaluate-labels", `${where} holds no image with a label; write FILE,LABEL`);
    const targets = written.map((cell) => classes.require(cell, where));
    if (path === undefined)
      throw new InputError(
        "evaluate-labels",
        `${where} names ${first}, which is no image of the folder; correct the name, or copy the image there`,
      );
    if (found.has(path))
      throw new InputError("evaluate-labels", `${where} names ${first} a second time; leave one of them`);
    found.set(path, [...new Set(targets)]);
  }
  if (found.size === 0)
    throw new InputError("evaluate-labels", `${file} holds no line with a label; write one for each image`);
  return found;
}

/** Where a file of labels for a folder of images is looked for: in it, and beside it where it is called `images`. */
export const labelsPlaces = (folder: string): string[] => [
  join(folder, "labels.csv"),
  ...(basename(folder) === "images" ? [join(dirname(folder), "labels.csv")] : []),
];
