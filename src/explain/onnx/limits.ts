import { ModelError } from "../../errors.js";
import { elements } from "../network/network.js";
import { BATCH, type Importer, type Node } from "./importer.js";

/** Numbers of one picture as input: some 3 channels of 3300 x 3300 pixels. */
const MOST_INPUT = 2 ** 25;
/** Of all tensors of one frame together: as many as of a small input, … */
const LEAST_ACTIVATIONS = 2 ** 25;
/** … more in proportion to a larger one (the largest networks that are used take some 2000 times their input), … */
const TIMES_INPUT = 4096;
/** … but never more: 8 GiB in float32. */
const MOST_ACTIVATIONS = 2 ** 31 - 1;
/** Classes are named, sorted and listed. */
const MOST_CLASSES = 1_000_000;
/** Inputs and outputs of one node. */
const MOST_OPERANDS = 4096;
/** Layers of a network: an engine takes a while for each. */
const MOST_LAYERS = 10_000;

/** @throws ModelError where an input is larger than pictures are */
export function refuseInput(name: string, dims: readonly number[]): void {
  if (dims.some((d) => d % BATCH === 0) || elements(dims) > MOST_INPUT)
    throw new ModelError(
      "model-input",
      `the model's input "${name}" has an impossible size ${dims.join("x")}, and up to ${MOST_INPUT} numbers are read.`,
    );
}

/** @throws ModelError */
export function refuseClasses(classes: number): void {
  if (classes > MOST_CLASSES)
    throw new ModelError(
      "model-output",
      `the model's output has ${classes} classes, and up to ${MOST_CLASSES} are known; give the file of a classifier.`,
    );
}

export function refuseOperands(importer: Importer, node: Node): void {
  const count = Math.max(node.inputs.length, node.outputs.length);
  if (count > MOST_OPERANDS)
    importer.refuse(node, `it has ${count} inputs or outputs, and up to ${MOST_OPERANDS} are known`);
}

/** Counts what one frame takes while its network is read: memory is refused before an engine asks for it. */
export class FrameMemory {
  #taken = 0;
  #layers = 0;
  readonly #most: number;

  constructor(input: readonly number[]) {
    this.#most = Math.min(MOST_ACTIVATIONS, Math.max(LEAST_ACTIVATIONS, TIMES_INPUT * elements(input)));
  }

  /** @throws ModelError where a layer's outputs are more than there is room for */
  take(importer: Importer, node: Node, shapes: readonly (readonly number[])[]): void {
    const count = shapes.reduce((sum, dims) => sum + elements(dims), 0);
    this.#taken += count;
    if (!(this.#taken <= this.#most))
      importer.refuse(
        node,
        `its output would have ${count} elements a frame, and all tensors together may have ${this.#most} with such an input`,
      );
    if (++this.#layers > MOST_LAYERS) importer.refuse(node, `it is one of more than ${MOST_LAYERS} layers`);
  }
}
