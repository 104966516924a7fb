import type { Constant } from "./tensor.js";

/**
 * A tensor of whole numbers that depends on the picture. The network has the values that they stand for in its place,
 * `(whole − zero) · scale`.
 */
export interface Whole {
  scale: number;
  zero: number;
  /** Their element type. */
  type: number;
}

/** Whether whole numbers stand for themselves. */
export const isUnit = ({ scale, zero }: Pick<Whole, "scale" | "zero">): boolean => scale === 1 && zero === 0;

/** The scale that each frame has of its own for a tensor of whole numbers, times a constant. */
export interface FrameScale {
  of: string;
  factor?: Constant;
}

/**
 * What is quantised while the model runs, by name. The network has the values in place of the whole numbers; what was computed with
 * whole numbers waits for the scale, and is what it should be once it is multiplied with it.
 */
export class FrameScales {
  readonly whole = new Set<string>();
  readonly scales = new Map<string, FrameScale>();
  /** Zero points, and what they are of. */
  readonly zeros = new Map<string, string>();
  /** Tensors that wait, and the whole numbers whose scale they wait for. */
  readonly waiting = new Map<string, string>();

  has(name: string): boolean {
    return this.whole.has(name) || this.scales.has(name) || this.zeros.has(name) || this.waiting.has(name);
  }
}
