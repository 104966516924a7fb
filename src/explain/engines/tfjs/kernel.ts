import type { Tensor } from "@tensorflow/tfjs-core";
import { VideoExplainerError } from "../../../errors.js";
import type { Operation } from "../../program/program.js";
import { DualLayoutTensor, nhwcAxis } from "./dual-layout-tensor.js";

/** An axis counted from the front. */
export const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** One operation about to run: its inputs (undefined where left out) and attributes. */
export class Call {
  constructor(
    readonly operation: Operation,
    readonly inputs: readonly (DualLayoutTensor | undefined)[],
  ) {}

  at(index: number): DualLayoutTensor {
    return this.inputs[index] ?? this.refuse(`lacks its input ${index}`);
  }
  has(index: number): boolean {
    return this.inputs[index] !== undefined;
  }
  int(name: string, otherwise: number): number {
    const a = this.operation.attributes[name];
    return a && "int" in a ? a.int : otherwise;
  }
  float(name: string, otherwise: number): number {
    const a = this.operation.attributes[name];
    return a && "float" in a ? a.float : otherwise;
  }
  ints(name: string): readonly number[] | undefined {
    const a = this.operation.attributes[name];
    return a && "ints" in a ? a.ints : undefined;
  }
  text(name: string, otherwise: string): string {
    const a = this.operation.attributes[name];
    return a && "text" in a ? a.text : otherwise;
  }
  /** The values of an input that must be constant. */
  known(index: number): readonly number[] {
    return this.at(index).known ?? this.refuse(`needs a constant as its input ${index}`);
  }
  /** As `known`, or undefined where the input is left out. */
  optional(index: number): readonly number[] | undefined {
    return this.has(index) ? this.known(index) : undefined;
  }
  /** An axis counted from the front. */
  axis(name: string, otherwise: number, rank = this.at(0).rank): number {
    return fromFront(this.int(name, otherwise), rank);
  }
  refuse(what: string): never {
    throw new VideoExplainerError(
      "engine-refused",
      `the engine tfjs cannot run the operation ${this.operation.op} (${this.operation.outputs[0]}): it ${what}`,
    );
  }
}

/** Runs one operation. What it makes on the way is freed when it returns. */
export type Kernel = (call: Call) => DualLayoutTensor | DualLayoutTensor[];
export type Kernels = Record<string, Kernel>;

/** Whether to work on the channel-last form: the choice that has the fewer elements rearranged. */
export function prefersNhwc(operands: readonly DualLayoutTensor[]): boolean {
  const rank = Math.max(...operands.map((o) => o.rank));
  if (rank < 3) return false;
  let [toNhwc, toNchw] = [0, 0];
  for (const o of operands.filter((held) => held.rank === rank)) {
    if (!o.hasNhwc) toNhwc += o.size;
    if (!o.hasNchw) toNchw += o.size;
  }
  return toNhwc < toNchw || (toNhwc === toNchw && operands.some((o) => o.hasNhwc && !o.hasNchw));
}

/** The tensor in the form at hand, where its axes are in it, and what makes a value of the result. */
export function form(x: DualLayoutTensor): {
  tensor: Tensor;
  place: (axis: number) => number;
  wrap: (t: Tensor) => DualLayoutTensor;
} {
  if (x.hasNchw || !x.hasNhwc) return { tensor: x.nchw(), place: (axis) => axis, wrap: DualLayoutTensor.ofNchw };
  return { tensor: x.nhwc(), place: (axis) => nhwcAxis(axis, x.rank), wrap: DualLayoutTensor.ofNhwc };
}

/** The operands as tensors of one form, with what makes a value of the result. */
export function aligned(operands: readonly DualLayoutTensor[]): {
  tensors: Tensor[];
  wrap: (t: Tensor) => DualLayoutTensor;
  isNhwc: boolean;
} {
  const isNhwc = prefersNhwc(operands);
  const rank = Math.max(...operands.map((o) => o.rank));
  return {
    isNhwc,
    tensors: operands.map((o) => (isNhwc ? o.nhwcAgainst(rank) : o.nchw())),
    wrap: isNhwc ? DualLayoutTensor.ofNhwc : DualLayoutTensor.ofNchw,
  };
}
