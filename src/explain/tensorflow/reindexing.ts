import type { Name, OnnxGraph } from "./onnx-graph.js";

/** Operations of TensorFlow that move, cut, copy or interpolate elements, written as nodes of ONNX. */

/** Beyond any axis. */
const FAR = 2 ** 31;

/** What a strided slice takes, axis by axis; of the masks, bit k is about axis k. */
export interface Strides {
  begin: readonly number[];
  end: readonly number[];
  steps: readonly number[];
  /** Axes that are taken from their start, or to their end. */
  beginMask: number;
  endMask: number;
  /** Axes of which one element is taken, without the axis. */
  shrinkMask: number;
  ellipsisMask: number;
  newAxisMask: number;
}

export function stridedSlice(graph: OnnxGraph, x: Name, given: Strides): Name {
  const { begin, end, steps } = given;
  if (given.ellipsisMask !== 0 || given.newAxisMask !== 0) graph.refuse("it slices with an ellipsis or a new axis");
  const isSet = (mask: number, k: number): boolean => ((mask >> k) & 1) === 1;
  // One element is where it is said to be, whatever the mask.
  const starts = begin.map((b, k) => (isSet(given.beginMask & ~given.shrinkMask, k) ? (steps[k]! > 0 ? 0 : FAR) : b));
  const ends = begin.map((b, k) =>
    isSet(given.shrinkMask, k)
      ? b === -1
        ? FAR
        : b + 1
      : isSet(given.endMask, k)
        ? steps[k]! > 0
          ? FAR
          : -FAR
        : end[k]!,
  );
  const axes = begin.map((_, k) => k);
  const lists = [starts, ends, axes, [...steps]].map((list) => graph.ints(...list));
  const sliced = graph.one("Slice", [x, ...lists]);
  const dropped = axes.filter((k) => isSet(given.shrinkMask, k));
  return dropped.length === 0 ? sliced : graph.one("Squeeze", [sliced, graph.ints(...dropped)]);
}

/** `size` elements from `begin` on, −1 for all that are left. */
export function slice(graph: OnnxGraph, x: Name, begin: readonly number[], size: readonly number[]): Name {
  const ends = begin.map((b, k) => (size[k] === -1 ? FAR : b + size[k]!));
  const lists = [[...begin], ends, begin.map((_, k) => k)].map((list) => graph.ints(...list));
  return graph.one("Slice", [x, ...lists]);
}

/** `pairs` are `before, after`, axis by axis. */
export function pad(graph: OnnxGraph, x: Name, pairs: readonly number[], mode: "constant" | "reflect", value?: Name) {
  const before = pairs.filter((_, k) => k % 2 === 0);
  const after = pairs.filter((_, k) => k % 2 === 1);
  const further = value === undefined ? [] : [value];
  return graph.one("Pad", [x, graph.ints(...before, ...after), ...further], { mode });
}

/** Tensors of the same dims, one beside the other along a new axis. */
export function stacked(graph: OnnxGraph, parts: readonly Name[], axis: number): Name {
  const single = parts.map((x) => graph.one("Unsqueeze", [x, graph.ints(axis)]));
  return graph.one("Concat", single, { axis });
}

/** A picture `[N, H, W, C]` of another size. */
export function resized(
  graph: OnnxGraph,
  x: Name,
  size: readonly number[],
  mode: "linear" | "nearest",
  { alignCorners, centred }: { alignCorners: boolean; centred: boolean },
): Name {
  const place = alignCorners
    ? "align_corners"
    : centred
      ? mode === "linear"
        ? "half_pixel"
        : "tf_half_pixel_for_nn"
      : "asymmetric";
  return graph.channelsFirst(x, true, (first) =>
    graph.one("Resize", [first, "", "", graph.ints(...size)], {
      mode,
      axes: [2, 3],
      coordinate_transformation_mode: place,
      nearest_mode: place === "align_corners" ? "round_prefer_ceil" : "floor",
    }),
  );
}
