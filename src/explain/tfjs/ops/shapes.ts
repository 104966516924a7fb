import type { Name } from "../onnx-graph.js";
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
function pad(op: Op, mode: string, value: Name | undefined): Name {
  const pairs = list(op, 1, "padding");
  const before = pairs.filter((_, k) => k % 2 === 0);
  const after = pairs.filter((_, k) => k % 2 === 1);
  const further = value === undefined ? [] : [value];
  return op.graph.one("Pad", [op.first, op.graph.ints(...before, ...after), ...further], { mode });
}

/** Bits of a mask, axis by axis. */
const bits = (op: Op, name: string, count: number): boolean[] =>
  Array.from({ length: count }, (_, k) => ((op.int(name, 0) >> k) & 1) === 1);

const StridedSlice: OpTranslation = (op) => {
  const { graph } = op;
  if (op.int("ellipsis_mask", 0) !== 0 || op.int("new_axis_mask", 0) !== 0)
    graph.refuse("it slices with an ellipsis or a new axis");
  const [begin, end, steps] = [list(op, 1, "begin"), list(op, 2, "end"), list(op, 3, "steps")];
  const [fromStart, toEnd, shrunk] = ["begin_mask", "end_mask", "shrink_axis_mask"].map((m) =>
    bits(op, m, begin.length),
  ) as [boolean[], boolean[], boolean[]];
  const far = 2 ** 31;
  const starts = begin.map((b, k) => (fromStart[k] ? (steps[k]! > 0 ? 0 : far) : b));
  const ends = begin.map((b, k) =>
    shrunk[k] ? (b === -1 ? far : b + 1) : toEnd[k] ? (steps[k]! > 0 ? far : -far) : end[k]!,
  );
  const axes = begin.map((_, k) => k);
  const sliced = graph.one("Slice", [
    op.first,
    graph.ints(...starts),
    graph.ints(...ends),
    graph.ints(...axes),
    graph.ints(...steps),
  ]);
  const dropped = axes.filter((k) => shrunk[k]);
  return dropped.length === 0 ? sliced : graph.one("Squeeze", [sliced, graph.ints(...dropped)]);
};

const Slice: OpTranslation = (op) => {
  const { graph } = op;
  const [begin, size] = [list(op, 1, "begin"), list(op, 2, "size")];
  const ends = begin.map((b, k) => (size[k] === -1 ? 2 ** 31 : b + size[k]!));
  return graph.one("Slice", [
    op.first,
    graph.ints(...begin),
    graph.ints(...ends),
    graph.ints(...begin.map((_, k) => k)),
  ]);
};

const Pack: OpTranslation = (op) => {
  const { graph } = op;
  const axis = op.int("axis", 0);
  const parts = op.inputs.map((x) => graph.one("Unsqueeze", [x, graph.ints(axis)]));
  return graph.one("Concat", parts, { axis });
};

const split = (op: Op, x: Name, axis: Name, sizes: Name | undefined, count: number): Name[] => {
  const at = op.graph.constantAt(axis)?.data[0];
  if (at === undefined) return op.graph.refuse("its axis is computed while the model runs");
  return op.graph.node("Split", sizes === undefined ? [x] : [x, sizes], { axis: at }, count);
};

const resize =
  (mode: "linear" | "nearest"): OpTranslation =>
  (op) => {
    const { graph } = op;
    const size = list(op, 1, "size");
    const centred = op.flag("half_pixel_centers");
    const place = op.flag("align_corners")
      ? "align_corners"
      : centred
        ? mode === "linear"
          ? "half_pixel"
          : "tf_half_pixel_for_nn"
        : "asymmetric";
    return graph.channelsFirst(op.first, true, (x) =>
      graph.one("Resize", [x, "", "", graph.ints(...size)], {
        mode,
        axes: [2, 3],
        coordinate_transformation_mode: place,
        nearest_mode: place === "align_corners" ? "round_prefer_ceil" : "floor",
      }),
    );
  };

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
    return pad(op, "reflect", undefined);
  },
  Pack,
  Pad: (op) => pad(op, "constant", undefined),
  PadV2: (op) => pad(op, "constant", op.inputs[2]),
  PlaceholderWithDefault: passes,
  Prod: reduce("ReduceProd"),
  Reshape: (op) => op.graph.one("Reshape", op.inputs.slice(0, 2)),
  ResizeBilinear: resize("linear"),
  ResizeNearestNeighbor: resize("nearest"),
  Shape: (op) => op.graph.one("Shape", [op.first]),
  Slice,
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
