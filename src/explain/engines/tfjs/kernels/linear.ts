import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import { DualLayoutTensor } from "../dual-layout-tensor.js";
import type { Call, Kernels } from "../kernel.js";
import { tf } from "../tensorflow.js";
import { padded, windowOf } from "../window.js";

type Pair = readonly [number, number];

/** `[O, I, kh, kw]` to TensorFlow's `[kh, kw, I, O]`, zeros put between its taps where the dilation says so. */
function kernelOf(weight: DualLayoutTensor, dilations: Pair): Tensor {
  return weight.derived(`kernel${dilations.join("x")}`, () => {
    let w: Tensor = tf().transpose(weight.nchw(), [2, 3, 1, 0]);
    dilations.forEach((d, axis) => {
      if (d > 1) w = spread(w, axis, d);
    });
    return w.clone();
  });
}

/** `by − 1` zeros between neighbours along an axis. */
function spread(x: Tensor, axis: number, by: number): Tensor {
  const { shape } = x;
  const split = tf().reshape(x, [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]);
  const around = split.shape.map((_, k) => [0, k === axis + 1 ? by - 1 : 0] as [number, number]);
  const size = shape.map((d, k) => (k === axis ? d * by : d));
  const joined = tf().reshape(tf().pad(split, around), size);
  const kept = size.map((d, k) => (k === axis ? d - (by - 1) : d));
  return tf().slice(
    joined,
    kept.map(() => 0),
    kept,
  );
}

/** Only every so many rows and columns. */
function thin(x: Tensor4D, [sh, sw]: Pair): Tensor4D {
  if (sh === 1 && sw === 1) return x;
  return tf().stridedSlice(x, [0, 0, 0, 0], x.shape, [1, sh, sw, 1]) as Tensor4D;
}

function conv(call: Call): DualLayoutTensor {
  const x = call.at(0).nhwc() as Tensor4D;
  const weight = call.at(1);
  const { strides, pads, dilations } = windowOf(call, weight.dims.slice(2) as [number, number]);
  const groups = call.int("group", 1);
  const perGroup = weight.dims[1]!;
  let result: Tensor4D;
  if (groups > 1 && perGroup === 1 && weight.dims[0]! % groups === 0) {
    // [O, 1, kh, kw] to [kh, kw, channels, outputs a channel].
    const [out, , kh, kw] = weight.dims as [number, number, number, number];
    const dense = kernelOf(weight, dilations);
    const [eh, ew] = [dense.shape[0]!, dense.shape[1]!];
    const kernel = weight.derived(`depthwise${dilations.join("x")}|${kh}x${kw}`, () =>
      tf().reshape(dense, [eh, ew, groups, out / groups]),
    ) as Tensor4D;
    const even = strides[0] === strides[1];
    const all = tf().depthwiseConv2d(padded(x, { pads }), kernel, even ? [strides[0], strides[1]] : 1, "valid");
    result = even ? all : thin(all, strides);
  } else {
    const plainStrides = dilations.every((d) => d === 1) || strides.every((s) => s === 1);
    const kernel = kernelOf(weight, [1, 1]) as Tensor4D;
    const around = [
      [0, 0],
      [pads[0], pads[2]],
      [pads[1], pads[3]],
      [0, 0],
    ] as [[number, number], [number, number], [number, number], [number, number]];
    const one = (part: Tensor4D, k: Tensor4D): Tensor4D => {
      const all = tf().conv2d(
        part,
        k,
        plainStrides ? [strides[0], strides[1]] : 1,
        pads.some((p) => p > 0) ? around : "valid",
        "NHWC",
        [dilations[0], dilations[1]],
      );
      return plainStrides ? all : thin(all, strides);
    };
    if (groups === 1) result = one(x, kernel);
    else {
      const parts = tf().split(x, groups, 3) as Tensor4D[];
      const kernels = tf().split(kernel, groups, 3) as Tensor4D[];
      result = tf().concat(
        parts.map((part, g) => one(part, kernels[g]!)),
        3,
      );
    }
  }
  return DualLayoutTensor.ofNhwc(call.has(2) ? tf().add(result, call.at(2).nchw()) : result);
}

function matmul(call: Call): DualLayoutTensor {
  const [a, b] = [call.at(0).nchw(), call.at(1).nchw()];
  if (a.rank < 2 || b.rank < 2) call.refuse("multiplies vectors");
  // A matrix on the right serves every row on the left: one product instead of one a frame.
  if (a.rank > 2 && b.rank === 2) {
    const rows = tf().reshape(a, [-1, a.shape.at(-1)!]);
    return DualLayoutTensor.ofNchw(tf().reshape(tf().matMul(rows, b), [...a.shape.slice(0, -1), b.shape[1]!]));
  }
  if (a.rank === 2 && b.rank > 2) {
    const batch = b.shape.slice(0, -2);
    return DualLayoutTensor.ofNchw(tf().matMul(tf().broadcastTo(a, [...batch, ...a.shape]), b));
  }
  return DualLayoutTensor.ofNchw(tf().matMul(a, b));
}

export const linearKernels: Kernels = {
  Conv: conv,
  MatMul: matmul,
  Gemm: (call) => {
    const alpha = call.float("alpha", 1);
    const product = tf().matMul(
      call.at(0).nchw(),
      call.at(1).nchw(),
      call.int("transA", 0) === 1,
      call.int("transB", 0) === 1,
    );
    const scaled = alpha === 1 ? product : tf().mul(product, alpha);
    if (!call.has(2)) return DualLayoutTensor.ofNchw(scaled);
    return DualLayoutTensor.ofNchw(tf().add(scaled, tf().mul(call.at(2).nchw(), call.float("beta", 1))));
  },
};
