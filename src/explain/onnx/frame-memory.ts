import { elements } from "../network/network.js";
import type { Refusing } from "./budget.js";

/** Of all tensors of one frame together: as many as of a small input, … */
const MIN_ACTIVATION_ELEMENTS = 2 ** 25;
/** … more in proportion to a larger one (the largest networks that are used take some 2000 times their input), … */
const ACTIVATIONS_PER_INPUT_ELEMENT = 4096;
/** … but never more: 8 GiB in float32. */
const MAX_ACTIVATION_ELEMENTS = 2 ** 31 - 1;
/** Layers of a network: an engine takes a while for each. */
const MAX_LAYERS = 10_000;

/** Counts what one frame takes while its network is read: memory is refused before an engine asks for it. */
export class FrameMemory {
  #taken = 0;
  #layers = 0;
  readonly #max: number;

  constructor(input: readonly number[]) {
    this.#max = Math.min(
      MAX_ACTIVATION_ELEMENTS,
      Math.max(MIN_ACTIVATION_ELEMENTS, ACTIVATIONS_PER_INPUT_ELEMENT * elements(input)),
    );
  }

  /** @throws ModelError where a layer's outputs are more than there is room for */
  take<Node>(importer: Refusing<Node>, node: Node, shapes: readonly (readonly number[])[]): void {
    const count = shapes.reduce((sum, dims) => sum + elements(dims), 0);
    this.#taken += count;
    if (!(this.#taken <= this.#max))
      importer.refuse(
        node,
        `its output would have ${count} elements a frame, and all tensors together may have ${this.#max} with such an input`,
      );
    if (++this.#layers > MAX_LAYERS) importer.refuse(node, `it is one of more than ${MAX_LAYERS} layers`);
  }
}
