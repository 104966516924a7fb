import type { Name } from "../../tensorflow/onnx-graph.js";
import { pad, resized, slice, stacked, stridedSlice } from "../../tensorflow/reindexing.js";
import type { Op, OpTranslation } from "./op.js";

const passes: OpTranslation = (op) => op.first;
const list = (op: Op, index: number, what: string): number[] => Array.from(op.constant(index, what).data);

const reduce =
  (name: string): OpTranslation =>
  (op) =>
    op.graph.one(name, [op.first, op.graph.ints(...list(op, 1, "list of axes"))], {
      keepdims: op.flag("keep_dims") || op.flag("keepdims") ? 1 : 0,
    });

/** `[[before, after], …]`, one a axis. */
const padded = (op: Op, mode: "constant" | "reflect", value?: Name): Name =>
  pad(op.graph, op.first, list(op, 1, "padding"), mode, value);

const StridedSlice: OpTranslation = (op) =>
  stridedSlice(op.graph, op.first, {
    begin: list(op, 1, "begin"),
    end: list(op, 2, "end"),
    steps: list(op, 3, "steps"),
    beginMask: op.int("begin_mask", 0),
    endMask: op.int("end_mask", 0),
    shrinkMask: op.int("shrink_axis_mask", 0),
    ellipsisMask: op.int("ellipsis_mask", 0),
    newAxisMask: op.int("new_axis_mask", 0),
  });

const split = (op: Op, x: Name, axis: Name, sizes: Name | undefined, count: number): Name[] => {
  const at = op.graph.constantAt(axis)?.data[0];
  if (at === undefined) return op.graph.refuse("its axis is computed while the model runs");
  return op.graph.node("Split", sizes === undefined ? [x] : [x, sizes], { axis: at }, count);
};

const resize =
  (mode: "linear" | "nearest"): OpTranslation =>
  (op) =>
    resized(op.graph, op.first, list(op, 1, "size"), mode, {
      alignCorners: op.flag("align_corners"),
      centred: op.flag("half_pixel_centers"),
    });

const blocks =
  (name: string): OpTranslation =>
  (op) =>
    op.graph.channelsFirst(op.first, op.channelsLast, (x) =>
      op.graph.one(name, [x], { blocksize: op.int("block_size", 1) }),
    );

export const SHAPES: Record<string, OpTranslation> = {
  BroadcastTo: (op) => op.graph.one("Expand", op.inputs),
  Cast: passes,
  ConcatV2: (op) =>
    op.graph.one("Concat", op.inputs.slice(0, -1), { axis: list(op, op.inputs.length - 1, "axis")[0]! }),
  DepthToSpace: blocks("DepthToSpace"),
  ExpandDims: (op) => op.graph.one("Unsqueeze", [op.first, op.graph.ints(...list(op, 1, "axis"))]),
  GatherV2: (op) => op.graph.one("Gather", op.inputs.slice(0, 2), { axis: list(op, 2, "axis")[0]! }),
  Identity: passes,
  IdentityN: (op) => [...op.inputs],
  Max: reduce("ReduceMax"),
  Mean: reduce("ReduceMean"),
  MirrorPad: (op) => {
    if (op.text("mode", "REFLECT") !== "REFLECT") op.graph.refuse("it mirrors the edge itself (SYMMETRIC)");
    return padded(op, "reflect");
  },
  Pack: (op) => stacked(op.graph, op.inputs, op.int("axis", 0)),
  Pad: (op) => padded(op, "constant"),
  PadV2: (op) => padded(op, "constant", op.inputs[2]),
  PlaceholderWithDefault: passes,
  Prod: reduce("ReduceProd"),
  Reshape: (op) => op.graph.one("Reshape", op.inputs.slice(0, 2)),
  ResizeBilinear: resize("linear"),
  ResizeNearestNeighbor: resize("nearest"),
  Shape: (op) => op.graph.one("Shape", [op.first]),
  Slice: (op) => slice(op.graph, op.first, list(op, 1, "begin"), list(op, 2, "size")),
  Snapshot: passes,
  SpaceToDepth: blocks("SpaceToDepth"),
  Split: (op) => split(op, op.inputs[1]!, op.inputs[0]!, undefined, op.int("num_split", 1)),
  SplitV: (op) => split(op, op.first, op.inputs[2]!, op.inputs[1], op.int("num_split", 1)),
  Squeeze: (op) => {
    const dims = op.ints("squeeze_dims");
    return op.graph.one("Squeeze", dims.length > 0 ? [op.first, op.graph.ints(...dims)] : [op.first]);
  },
  StopGradient: passes,
  StridedSlice,
  Sum: reduce("ReduceSum"),
  Tile: (op) => op.graph.one("Tile", op.inputs),
  Transpose: (op) => op.graph.transpose(op.first, list(op, 1, "permutation")),
};
