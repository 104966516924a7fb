import { listAttribute, type OnnxNode, textAttribute } from "./onnx-reader.js";
import { normaliseAxis, type Tensor } from "./tensor.js";

/** Dims of a Resize or Upsample and its scale along each axis: a list of scales or of sizes. */
export function resizedDims(node: OnnxNode, inputs: (Tensor | undefined)[]): { dims: number[]; scales: number[] } {
  const input = inputs[0]!;
  const given = (k: number): number[] | undefined => (inputs[k]?.data.length ? [...inputs[k].data] : undefined);
  const inNew = inputs.length > 2;
  const scales = inNew ? given(2) : (given(1) ?? listAttribute(node, "scales"));
  const sizes = inNew ? given(3) : undefined;
  const axes =
    listAttribute(node, "axes")?.map((a) => normaliseAxis(a, input.dims.length)) ?? input.dims.map((_, axis) => axis);
  const scale = input.dims.map((n, axis) => {
    const k = axes.indexOf(axis);
    return k < 0 ? 1 : scales ? scales[k]! : sizes![k]! / n;
  });
  return { dims: input.dims.map((n, axis) => Math.floor(n * scale[axis]! + (scales ? 0 : 1e-9))), scales: scale };
}

/** Where output element `k` of an axis lies on the input's axis, `n` long before and `to` long after. */
export function resizedFrom(node: OnnxNode, k: number, n: number, to: number, scale: number): number {
  const old = node.op === "Upsample" || node.inputs.length === 2;
  switch (old ? "asymmetric" : textAttribute(node, "coordinate_transformation_mode", "half_pixel")) {
    case "asymmetric":
      return k / scale;
    case "align_corners":
      return to === 1 ? 0 : (k * (n - 1)) / (to - 1);
    case "pytorch_half_pixel":
      return to === 1 ? 0 : (k + 0.5) / scale - 0.5;
    case "half_pixel_symmetric":
      return (n / 2) * (1 - to / (scale * n)) + (k + 0.5) / scale - 0.5;
    case "tf_half_pixel_for_nn":
      return (k + 0.5) / scale;
    default:
      return (k + 0.5) / scale - 0.5;
  }
}

export function nearestOf(node: OnnxNode, x: number): number {
  const old = node.op === "Upsample" || node.inputs.length === 2;
  switch (old ? "floor" : textAttribute(node, "nearest_mode", "round_prefer_floor")) {
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    default:
      return Math.ceil(x - 0.5);
  }
}
