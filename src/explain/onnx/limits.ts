import { ModelError } from "../../errors.js";
import { elements } from "../network/network.js";
import { BATCH } from "./batch.js";
import type { Importer, Node } from "./importer.js";
import { MAX_AXES } from "./tensor.js";

/** Numbers of one picture as input: some 3 channels of 3300 x 3300 pixels. */
const MAX_INPUT_ELEMENTS = 2 ** 25;
/** Classes are named, sorted and listed. */
const MAX_CLASSES = 1_000_000;
/** Inputs and outputs of one node. */
const MAX_OPERANDS = 4096;
/** Numbers in a list that says how a node works: axes, sizes, bounds. */
const MAX_LISTED_NUMBERS = 4096;
/** Inputs that are such lists; the first is what the others are about, where it is not named. */
const LISTS: Record<string, readonly number[]> = {
  ConstantOfShape: [0],
  Expand: [1],
  Pad: [1, 3],
  Reshape: [1],
  Resize: [1, 2, 3],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1],
  Unsqueeze: [1],
  Upsample: [1],
};

/** @throws ModelError where an input has more axes than any tensor (`dims` without the batch) */
export function refuseAxes(name: string, dims: readonly number[]): void {
  if (dims.length > MAX_AXES)
    throw new ModelError(
      "model-input",
      `the model's input "${name}" has ${dims.length + 1} axes, and a picture has 4; give the file of a classifier`,
    );
}

/** @throws ModelError where an input is larger than pictures are */
export function refuseInput(name: string, dims: readonly number[]): void {
  if (dims.some((d) => d % BATCH === 0) || elements(dims) > MAX_INPUT_ELEMENTS)
    throw new ModelError(
      "model-input",
      `the model's input "${name}" has an impossible size ${dims.join("x")}, and up to ${MAX_INPUT_ELEMENTS} numbers are read`,
    );
}

/** @throws ModelError */
export function refuseClasses(classes: number): void {
  if (classes > MAX_CLASSES)
    throw new ModelError(
      "model-output",
      `the model's output has ${classes} classes, and up to ${MAX_CLASSES} are known; give the file of a classifier`,
    );
}

export function refuseOperands(importer: Importer, node: Node): void {
  const count = Math.max(node.inputs.length, node.outputs.length);
  if (count > MAX_OPERANDS)
    importer.refuse(node, `it has ${count} inputs or outputs, and up to ${MAX_OPERANDS} are known`);
}

/** @throws ModelError where a list that says how a node works is longer than any tensor's dims could make it */
export function refuseLists(importer: Importer, node: Node): void {
  const places = Object.hasOwn(LISTS, node.op) ? LISTS[node.op]! : node.op.startsWith("Reduce") ? [1] : [];
  const given = places.map((k) => importer.constant(node, k)?.data.length ?? 0);
  const own = node.op === "Constant" ? [] : node.attributes.map(({ ints }) => ints?.length ?? 0);
  const most = Math.max(0, ...given, ...own);
  if (most > MAX_LISTED_NUMBERS)
    importer.refuse(node, `it lists ${most} axes, sizes or places, and up to ${MAX_LISTED_NUMBERS} are known`);
}
