import type { FlatTable } from "../flatbuffer.js";
import type { Constant } from "../onnx/tensor.js";
import { type Name, type OnnxGraph, refuseDamaged } from "../tensorflow/onnx-graph.js";
import type { LiteTensor } from "./schema.js";

/** An operator with what its translation may look at. Its options are read by their number in the format. */
export interface Op {
  graph: OnnxGraph;
  kind: string;
  /** Names of the translated inputs; "" for one that is left out. */
  inputs: readonly Name[];
  /** What the file says of its inputs and outputs; undefined for an input that is left out. */
  tensors: readonly (LiteTensor | undefined)[];
  outputs: readonly LiteTensor[];
  options: FlatTable | undefined;
  /** Frames that the file was written for, where it names them. */
  batch: number | undefined;
  /** A constant of whole numbers that is as long as the scales given, as real numbers. */
  scaledConstant(index: number, scales: readonly number[]): Name;
}

/** Writes what an operator computes, and names its results. */
export type OpTranslation = (op: Op) => Name | Name[];

export const first = (op: Op): Name => input(op, 0);
export const input = (op: Op, index: number): Name =>
  op.inputs[index] || refuseDamaged(`operator ${op.graph.origin.name} (${op.kind}) has no input ${index}`);
export const isGiven = (op: Op, index: number): boolean => Boolean(op.inputs[index]);

/** A constant input that the operator cannot do without. */
export const constantInput = (op: Op, index: number, what: string): Constant =>
  op.graph.constantAt(input(op, index)) ??
  op.graph.refuse(`its ${what} is computed while the model runs, and only constants can be explained`);

/** Numbers in a list of axes, sizes or places. */
const MAX_LISTED = 4096;
export function list(op: Op, index: number, what: string): number[] {
  const { data } = constantInput(op, index, what);
  if (data.length > MAX_LISTED)
    op.graph.refuse(`its ${what} has ${data.length} numbers, and up to ${MAX_LISTED} are known`);
  return Array.from(data);
}

/** The options of an operator whose defaults cannot be what it means. */
export const optionsOf = (op: Op): FlatTable =>
  op.options ?? refuseDamaged(`operator ${op.graph.origin.name} (${op.kind}) has no options`);

/** How many axes an input has. */
export const rankOf = (op: Op, index: number): number => op.tensors[index]?.dims.length ?? 0;
