import type { Tensor } from "@tensorflow/tfjs-core";
import { type Call, form, type Kernels } from "../kernel.js";
import { tf } from "../tensorflow.js";

/** Where, in elements of the input, each element of a resized axis looks. */
function places(call: Call, from: number, to: number, scale: number): number[] {
  const mode = call.text("coordinate_transformation_mode", "half_pixel");
  return Array.from({ length: to }, (_, k) => {
    if (mode === "asymmetric") return k / scale;
    if (mode === "half_pixel") return (k + 0.5) / scale - 0.5;
    if (mode === "pytorch_half_pixel") return to > 1 ? (k + 0.5) / scale - 0.5 : 0;
    if (mode === "align_corners") return to > 1 ? (k * (from - 1)) / (to - 1) : 0;
    return call.refuse(`has the coordinates ${mode}`);
  });
}

function rounded(call: Call, v: number): number {
  const mode = call.text("nearest_mode", "round_prefer_floor");
  if (mode === "floor") return Math.floor(v);
  if (mode === "ceil") return Math.ceil(v);
  if (mode === "round_prefer_ceil") return Math.floor(v + 0.5);
  return Math.ceil(v - 0.5);
}

function along(call: Call, x: Tensor, axis: number, to: number, scale: number): Tensor {
  const from = x.shape[axis]!;
  const bounded = (v: number): number => Math.max(0, Math.min(from - 1, v));
  const at = places(call, from, to, scale);
  const pick = (indices: number[]): Tensor => tf().gather(x, tf().tensor1d(indices, "int32"), axis);
  if (call.text("mode", "nearest") === "nearest") return pick(at.map((v) => bounded(rounded(call, v))));
  if (call.text("mode", "nearest") !== "linear") call.refuse(`interpolates by ${call.text("mode", "nearest")}`);
  const inside = at.map(bounded);
  const low = inside.map(Math.floor);
  const shape = x.shape.map((_, k) => (k === axis ? to : 1));
  const share = tf().tensor(
    inside.map((v, k) => v - low[k]!),
    shape,
  );
  const [a, b] = [pick(low), pick(low.map((v) => bounded(v + 1)))];
  return tf().add(a, tf().mul(tf().sub(b, a), share));
}

export const resizeKernels: Kernels = {
  Resize: (call) => {
    const x = call.at(0);
    const scales = call.has(2) && call.known(2).length > 0 ? call.known(2) : undefined;
    const sizes = scales ? x.dims.map((d, k) => Math.floor(d * scales[k]!)) : call.known(3);
    const { tensor, place, wrap } = form(x);
    let result = tensor;
    sizes.forEach((to, axis) => {
      const scale = scales?.[axis] ?? to / x.dims[axis]!;
      if (to !== x.dims[axis] || scale !== 1) result = along(call, result, place(axis), to, scale);
    });
    return wrap(result.clone());
  },
};
