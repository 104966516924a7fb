import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import type { Window } from "../../../network/network.js";
import { DualLayoutTensor } from "../dual-layout-tensor.js";
import type { Kernels } from "../kernel.js";
import { tf } from "../tensorflow.js";
import { padded, windowOf } from "../window.js";

/** Stands for minus infinity, which no padding may win against. */
const LOWEST = -3.4028234663852886e38;

/** What each offset of the window sees, over all windows. */
function offsets(x: Tensor4D, { kernel, strides, dilations }: Window): Tensor[] {
  const [n, height, width, channels] = x.shape;
  const count = (size: number, k: number): number =>
    Math.floor((size - (kernel[k]! - 1) * dilations[k]! - 1) / strides[k]!) + 1;
  const [rows, columns] = [count(height, 0), count(width, 1)];
  return Array.from({ length: kernel[0] * kernel[1] }, (_, k) => {
    const [y, left] = [Math.floor(k / kernel[1]) * dilations[0], (k % kernel[1]) * dilations[1]];
    const end = [n, y + (rows - 1) * strides[0] + 1, left + (columns - 1) * strides[1] + 1, channels];
    return tf().stridedSlice(x, [0, y, left, 0], end, [1, strides[0], strides[1], 1]);
  });
}

export const poolingKernels: Kernels = {
  MaxPool: (call) => {
    if (call.operation.outputs.length > 1) call.refuse("gives indices");
    const window = windowOf(call);
    const x = padded(call.at(0).nhwc() as Tensor4D, window, LOWEST);
    if (window.dilations.some((d) => d > 1))
      return DualLayoutTensor.ofNhwc(
        offsets(x, window)
          .reduce((a, b) => tf().maximum(a, b))
          .clone(),
      );
    return DualLayoutTensor.ofNhwc(tf().maxPool(x, [...window.kernel], [...window.strides], "valid"));
  },
  AveragePool: (call) => {
    const window = windowOf(call);
    const x = call.at(0).nhwc() as Tensor4D;
    const [kh, kw] = window.kernel;
    const average = (v: Tensor4D): Tensor =>
      window.dilations.some((d) => d > 1)
        ? tf().div(
            offsets(v, window).reduce((a, b) => tf().add(a, b)),
            tf().scalar(kh * kw),
          )
        : tf().avgPool(v, [kh, kw], [...window.strides], "valid");
    const all = average(padded(x, window));
    if (window.pads.every((p) => p === 0) || call.int("count_include_pad", 0) === 1)
      return DualLayoutTensor.ofNhwc(all);
    const share = average(padded(tf().ones([1, x.shape[1], x.shape[2], 1]), window));
    return DualLayoutTensor.ofNhwc(tf().div(all, share));
  },
};
