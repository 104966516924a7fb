import type { GatherLayer, ReshapeLayer } from "./network.js";

/** One layer of an expansion: its dims and what it needs beside names and tensors. */
export interface ExpansionStep {
  fields: Pick<ReshapeLayer, "kind"> | Pick<GatherLayer, "kind" | "axis" | "indices">;
  dims: number[];
}

/** The layers that copy a tensor along the axes in which it is 1 and the target is longer; batch axis first in both. */
export function expansion(from: readonly number[], to: readonly number[]): ExpansionStep[] {
  const steps: ExpansionStep[] = [];
  let dims = [...from];
  if (from.length < to.length) {
    dims = [from[0]!, ...new Array<number>(to.length - from.length).fill(1), ...from.slice(1)];
    steps.push({ fields: { kind: "reshape" }, dims });
  }
  to.forEach((size, axis) => {
    if (axis === 0 || dims[axis] === size) return;
    dims = dims.map((d, k) => (k === axis ? size : d));
    steps.push({ fields: { kind: "gather", axis, indices: new Array<number>(size).fill(0) }, dims });
  });
  return steps;
}
