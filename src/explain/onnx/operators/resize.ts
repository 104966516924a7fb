import type { TensorId, Weights } from "../../network/network.js";
import { foldByEngine } from "../engine-fold.js";
import { axisIn, type Importer, Node, type OperatorImport } from "../importer.js";
import type { Constant } from "../tensor.js";
import { MAX_AXIS_LENGTH, pick } from "./gather.js";

/** How one axis is resized: its length, its new length, the scale that maps between them. */
interface Along {
  from: number;
  to: number;
  scale: number;
  /** Whether the file gives its new length rather than its scale. */
  sized?: boolean;
}

/** Where output element `k` lies on the input's axis. */
const COORDINATES: Record<string, (k: number, along: Along) => number> = {
  half_pixel: (k, { scale }) => (k + 0.5) / scale - 0.5,
  pytorch_half_pixel: (k, { scale, to }) => (to > 1 ? (k + 0.5) / scale - 0.5 : 0),
  half_pixel_symmetric: (k, { scale, from, to }) => {
    const adjustment = to / (scale * from);
    return (from / 2) * (1 - adjustment) + (k + 0.5) / scale - 0.5;
  },
  align_corners: (k, { from, to }) => (to > 1 ? (k * (from - 1)) / (to - 1) : 0),
  asymmetric: (k, { scale }) => k / scale,
  tf_half_pixel_for_nn: (k, { scale }) => (k + 0.5) / scale,
};

const ROUNDINGS = new Set(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]);

const clamp = (v: number, high: number): number => Math.min(Math.max(v, 0), high);

/** Copies of the nearest elements, or bilinear interpolation over height and width. */
export const Resize: OperatorImport = (importer: Importer, node: Node) => {
  const x = importer.tensor(node, 0);
  const old = node.op === "Upsample" || importer.opset < 11;
  const alongs = extents(importer, node, x, old);
  const mode = node.text("mode", "nearest");
  const coordinates = old ? "asymmetric" : node.text("coordinate_transformation_mode", "half_pixel");
  const place = Object.hasOwn(COORDINATES, coordinates) ? COORDINATES[coordinates] : undefined;
  if (!place) importer.refuse(node, `its coordinate_transformation_mode "${coordinates}" is not known`);
  if (node.int("antialias", 0)) importer.refuse(node, "it resizes with antialias; export without it");
  importer.alias(node, x);
  const changed = alongs.flatMap((along, axis) => (along.to === along.from ? [] : [axis]));
  if (mode === "nearest") {
    const rounding = node.text("nearest_mode", "round_prefer_floor");
    if (!ROUNDINGS.has(rounding)) importer.refuse(node, `its nearest_mode "${rounding}" is not known`);
    let at = x;
    for (const axis of changed)
      at = pick(importer, node, importer.viewOf(at), axis, nearest(importer, node, alongs[axis]!));
    return;
  }
  if (mode !== "linear" && mode !== "bilinear")
    importer.refuse(node, `its mode is ${mode}; nearest and linear are known`);
  if (changed.length === 0) return;
  if (alongs.length !== 4 || changed.some((axis) => axis < 2))
    importer.refuse(node, "it interpolates along other axes than the height and width of [N, C, H, W]");
  const shape = importer.shape(x);
  for (const { from, to } of alongs.slice(2)) importer.budget.take(importer, node, from * to);
  const [rows, columns] = [weightsOf(alongs[2]!, place), weightsOf(alongs[3]!, place)];
  importer.push(node, "resize", [x], [[-1, shape[1]!, alongs[2]!.to, alongs[3]!.to]], { rows, columns });
};

/**
 * Which element of the input each of the output copies, along one axis: onnxruntime's own answer for the numbers 0, 1, 2, …
 * Places in the middle between two elements fall to either side by its rounding, which no formula tells.
 */
function nearest(importer: Importer, node: Node, { from, to, scale, sized }: Along): number[] {
  const list = (data: ArrayLike<number>, integer: boolean): Constant => ({
    dims: [4],
    data: integer ? Float64Array.from(data) : Float32Array.from(data),
    integer,
  });
  const ramp = { dims: [1, 1, from, 1], data: Float32Array.from({ length: from }, (_, k) => k), integer: false };
  const [scales, sizes] = [list([1, 1, scale, 1], false), list([1, 1, to, 1], true)];
  const operands: (Constant | undefined)[] = node.has("scales")
    ? [ramp]
    : importer.opset < 11
      ? [ramp, scales]
      : sized
        ? [ramp, undefined, undefined, sizes]
        : [ramp, undefined, scales];
  const attribute = node.attributes
    .filter(({ name }) => name !== "axes")
    .map((a) => (a.name === "scales" ? { ...a, floats: [1, 1, scale, 1] } : a));
  const input = operands.map((c, k) => (c ? `operand ${k}` : ""));
  const alone = new Node({ opType: node.op, name: node.name, input, output: ["places"], attribute }, 0, () => {
    throw new Error("it has no external data");
  });
  return Array.from(foldByEngine(importer, alone, operands)[0]!.data);
}

/** Linear interpolation along one axis as a matrix `[to, from]`. */
function weightsOf(along: Along, place: (k: number, along: Along) => number): Weights {
  const { from, to } = along;
  const data = new Float32Array(to * from);
  for (let k = 0; k < to; k++) {
    const at = clamp(place(k, along), from - 1);
    const low = Math.floor(at);
    const share = at - low;
    data[k * from + low]! += 1 - share;
    if (share > 0) data[k * from + low + 1]! += share;
  }
  return { dims: [to, from], data };
}

function extents(importer: Importer, node: Node, x: TensorId, old: boolean): Along[] {
  const shape = importer.shape(x);
  const given = (index: number): number[] | undefined => {
    const values = node.inputs[index] ? Array.from(importer.weight(node, index, "size").data) : undefined;
    return values?.length ? values : undefined;
  };
  const scales = old ? (given(1) ?? node.floats("scales")) : given(2);
  const sizes = old ? undefined : given(3);
  const axes = node.ints("axes")?.map((a) => axisIn(importer, node, a, shape.length)) ?? shape.map((_, k) => k);
  const values = scales ?? sizes;
  if (values?.length !== axes.length)
    importer.refuse(node, `its scales or sizes [${values?.join(", ") ?? ""}] do not fit ${axes.length} axes`);
  if (sizes && node.text("keep_aspect_ratio_policy", "stretch") !== "stretch")
    importer.refuse(node, "it keeps the aspect ratio of a picture whose size is fixed; export the sizes themselves");
  return shape.map((d, axis) => {
    const k = axes.indexOf(axis);
    if (k < 0 || axis === 0) {
      if (k >= 0 && scales && values[k] !== 1) importer.refuse(node, "it resizes the batch");
      return { from: d, to: d, scale: 1 };
    }
    const to = scales ? Math.floor(d * values[k]!) : values[k]!;
    if (!(Number.isInteger(to) && to >= 1 && to <= MAX_AXIS_LENGTH))
      importer.refuse(node, `it would make an axis of ${to} elements`);
    return { from: d, to, scale: scales ? values[k]! : to / d, sized: !scales };
  });
}
