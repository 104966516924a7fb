import { isFloating } from "../../onnx/tensor.js";
import { typeName } from "../../proto/onnx.js";
import { pad, resized, slice, stacked, stridedSlice } from "../../tensorflow/reindexing.js";
import { activated } from "../activations.js";
import { first, input, isGiven, list, type Op, type OpTranslation, optionsOf, rankOf } from "../op.js";

const passes: OpTranslation = first;

const reduce =
  (name: string): OpTranslation =>
  (op) =>
    op.graph.one(name, [first(op), op.graph.ints(...list(op, 1, "list of axes"))], {
      keepdims: op.options?.flag(0) ? 1 : 0,
    });

/** A file for several frames names them in the target, where any number of them is meant. */
function ofAnyBatch(op: Op, target: readonly number[]): number[] {
  if (op.batch === undefined || op.batch < 2 || target[0] !== op.batch) return [...target];
  return [-1, ...(target.includes(-1) ? (op.outputs[0]?.dims ?? target) : target).slice(1)];
}

const RESHAPE: OpTranslation = (op) => {
  const { graph } = op;
  if (isGiven(op, 1)) {
    const known = graph.constantAt(input(op, 1));
    if (!known) return graph.one("Reshape", [first(op), input(op, 1)]);
    return graph.one("Reshape", [first(op), graph.ints(...ofAnyBatch(op, Array.from(known.data)))]);
  }
  return graph.one("Reshape", [first(op), graph.ints(...ofAnyBatch(op, optionsOf(op).int32s(0)))]);
};

/** A whole axis is taken as that, so that one that holds frames may hold any number of them. */
const SLICE: OpTranslation = (op) => {
  const dims = op.tensors[0]?.dims ?? [];
  const begin = list(op, 1, "begin");
  const size = list(op, 2, "size").map((n, k) => (begin[k] === 0 && n === dims[k] ? -1 : n));
  return slice(op.graph, first(op), begin, size);
};

const STRIDED_SLICE: OpTranslation = (op) => {
  const options = optionsOf(op);
  const dims = op.tensors[0]?.dims ?? [];
  const [begin, end, steps] = [list(op, 1, "begin"), list(op, 2, "end"), list(op, 3, "steps")];
  if (options.flag(5)) op.graph.refuse("it gives the end of what it takes as a length");
  const whole = end.reduce(
    (mask, e, k) => (begin[k] === 0 && steps[k] === 1 && e === dims[k] ? mask | (1 << k) : mask),
    0,
  );
  const shrinkMask = options.int32(4);
  return stridedSlice(op.graph, first(op), {
    begin,
    end,
    steps,
    beginMask: options.int32(0),
    endMask: options.int32(1) | (whole & ~shrinkMask),
    shrinkMask,
    ellipsisMask: options.int32(2),
    newAxisMask: options.int32(3),
  });
};

const PADDED: OpTranslation = (op) => {
  const value = isGiven(op, 2) ? input(op, 2) : undefined;
  return pad(op.graph, first(op), list(op, 1, "padding"), "constant", value);
};

const MIRROR_PAD: OpTranslation = (op) => {
  if (optionsOf(op).int8(0) !== 0) op.graph.refuse("it mirrors the edge itself (SYMMETRIC)");
  return pad(op.graph, first(op), list(op, 1, "padding"), "reflect");
};

const UNPACK: OpTranslation = (op) => {
  const { graph } = op;
  const axis = optionsOf(op).int32(1);
  const parts = graph.node("Split", [first(op)], { axis, num_outputs: op.outputs.length }, op.outputs.length);
  return parts.map((part) => graph.one("Squeeze", [part, graph.ints(axis)]));
};

const SPLIT: OpTranslation = (op) => {
  const { length } = op.outputs;
  return op.graph.node("Split", [input(op, 1)], { axis: list(op, 0, "axis")[0]!, num_outputs: length }, length);
};

const SPLIT_V: OpTranslation = (op) =>
  op.graph.node("Split", [first(op), input(op, 1)], { axis: list(op, 2, "axis")[0]! }, op.outputs.length);

const GATHER: OpTranslation = (op) => {
  if (op.options?.int32(1)) op.graph.refuse("it gathers from each frame by a list of its own (batch_dims)");
  return op.graph.one("Gather", [first(op), input(op, 1)], { axis: op.options?.int32(0) ?? 0 });
};

const SQUEEZE: OpTranslation = (op) => {
  const axes = op.options?.int32s(0) ?? [];
  return op.graph.one("Squeeze", axes.length > 0 ? [first(op), op.graph.ints(...axes)] : [first(op)]);
};

const CAST: OpTranslation = (op) => {
  const [from, to] = [op.tensors[0]?.type, op.outputs[0]?.type];
  if (from !== undefined && to !== undefined && isFloating(from) && !isFloating(to))
    op.graph.refuse(`it rounds values to another element type (${typeName(to)})`);
  if (from !== undefined && !isFloating(from) && op.tensors[0]?.quantisation)
    op.graph.refuse(
      "it takes whole numbers as they are, and only what they stand for can be explained; give the float32 file, from before it was quantised",
    );
  return first(op);
};

const resize =
  (mode: "linear" | "nearest", alignField: number): OpTranslation =>
  (op) =>
    resized(op.graph, first(op), list(op, 1, "size"), mode, {
      alignCorners: op.options?.flag(alignField) === true,
      centred: op.options?.flag(alignField + 1) === true,
    });

const blocks =
  (name: string): OpTranslation =>
  (op) =>
    op.graph.channelsFirst(first(op), true, (x) => op.graph.one(name, [x], { blocksize: optionsOf(op).int32(0) }));

/** Operators that move, copy or cut elements, and those that only change how they are stored. */
export const SHAPES: Record<string, OpTranslation> = {
  ARG_MAX: (op) => op.graph.one("ArgMax", [first(op)], { axis: rankOf(op, 0) - 1, keepdims: 0 }),
  BROADCAST_TO: (op) => op.graph.one("Expand", [first(op), input(op, 1)]),
  CAST,
  CONCATENATION: (op) => activated(op, op.graph.one("Concat", op.inputs, { axis: optionsOf(op).int32(0) }), 1),
  DEPTH_TO_SPACE: blocks("DepthToSpace"),
  DEQUANTIZE: passes,
  EXPAND_DIMS: (op) => op.graph.one("Unsqueeze", [first(op), op.graph.ints(...list(op, 1, "axis"))]),
  GATHER,
  MEAN: reduce("ReduceMean"),
  MIRROR_PAD,
  PACK: (op) => stacked(op.graph, op.inputs, optionsOf(op).int32(1)),
  PAD: PADDED,
  PADV2: PADDED,
  QUANTIZE: passes,
  REDUCE_MAX: reduce("ReduceMax"),
  REDUCE_PROD: reduce("ReduceProd"),
  RESHAPE,
  RESIZE_BILINEAR: resize("linear", 2),
  RESIZE_NEAREST_NEIGHBOR: resize("nearest", 0),
  SHAPE: (op) => op.graph.one("Shape", [first(op)]),
  SLICE,
  SPACE_TO_DEPTH: blocks("SpaceToDepth"),
  SPLIT,
  SPLIT_V,
  SQUEEZE,
  STRIDED_SLICE,
  SUM: reduce("ReduceSum"),
  TILE: (op) => op.graph.one("Tile", [first(op), input(op, 1)]),
  TRANSPOSE: (op) => op.graph.one("Transpose", [first(op)], { perm: list(op, 1, "permutation") }),
  UNPACK,
};
