import type { Operation } from "../program/program.js";

/** An operation of one output, as the passes add them to a graph. */
export const operation = (
  op: string,
  inputs: string[],
  output: string,
  attributes: Operation["attributes"] = {},
): Operation => ({ op, inputs, outputs: [output], attributes });
