import { basename, dirname, join } from "node:path";
import { InputError } from "../errors.js";
import { readBounded } from "../read-file.js";
import { listed } from "../truncate.js";
import { readCsv } from "./csv.js";

/** A class as people write it in names of folders. */
const plain = (label: string): string => label.trim().toLowerCase().replaceAll("_", " ");

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
const MAX_BYTES = 2 ** 28;
/** Heads of columns that hold a label. */
const LABEL_HEAD = /^(?:label|class|category|target|second|third)[\s_-]*\w*$/i;

/**
 * Classes of images by their path as the file writes it, in the order of the file. The first column is the image; with a head, those
 * called `label`, `class`, `second` and the like hold a class each, where none is called so and without a head all others.
 * @throws InputError naming the line
 */
export function readLabelsFile(
  file: string,
  classes: Classes,
  isImage: (path: string) => boolean,
): Map<string, { line: number; targets: number[] }> {
  const rows = readCsv(new TextDecoder().decode(readBounded(file, MAX_BYTES, "labels")));
  const [head] = rows;
  if (head === undefined) throw new InputError("evaluate-labels", `${file} holds no line; write one for each image`);
  const isHead = !isImage(head.cells[0]!) && head.cells.slice(1).every((cell) => classes.find(cell) === undefined);
  const columns = head.cells.flatMap((cell, k) => (isHead && k > 0 && LABEL_HEAD.test(cell) ? [k] : []));
  const found = new Map<string, { line: number; targets: number[] }>();
  for (const { line, cells } of isHead ? rows.slice(1) : rows) {
    const written = cells.filter((cell, k) => (columns.length > 0 ? columns.includes(k) : k > 0) && cell !== "");
    const where = `${file} line ${line}`;
    if (!cells[0] || written.length === 0)
      throw new InputError("evaluate-labels", `${where} holds no image with a label; write FILE,LABEL`);
    const targets = written.map((cell) => classes.require(cell, where));
    if (found.has(cells[0]))
      throw new InputError("evaluate-labels", `${where} names ${cells[0]} a second time; leave one of them`);
    found.set(cells[0], { line, targets: [...new Set(targets)] });
  }
  return found;
}

/** Where a file of labels for a folder of images is looked for: in it, and beside it where it is called `images`. */
export const labelsPlaces = (folder: string): string[] => [
  join(folder, "labels.csv"),
  ...(basename(folder) === "images" ? [join(dirname(folder), "labels.csv")] : []),
];
