import type { Tensor } from "@tensorflow/tfjs-core";
import { DualLayoutTensor, nhwcAxis } from "../dual-layout-tensor.js";
import { type Call, form, fromFront, type Kernel, type Kernels } from "../kernel.js";
import { tf } from "../tensorflow.js";

type Reduction = (x: Tensor, axes: number[], keep: boolean) => Tensor;

function axesOf(call: Call): number[] {
  const { rank } = call.at(0);
  const given = call.optional(1) ?? call.ints("axes") ?? [];
  const axes = given.length > 0 ? given : call.at(0).dims.map((_, k) => k);
  return axes.map((a) => fromFront(a, rank));
}

const reduce =
  (fn: Reduction): Kernel =>
  (call) =>
    over(call, fn, axesOf(call), call.int("keepdims", 1) === 1);

function over(call: Call, fn: Reduction, axes: number[], keep: boolean): DualLayoutTensor {
  const x = call.at(0);
  const left = x.rank - axes.length;
  // Without its batch or with channels among what is left of a few axes, the channel-last form has no meaning.
  const isNhwc = x.hasNhwc && !x.hasNchw && (keep || axes.includes(1) || left === 2 || left >= 3) && !axes.includes(0);
  if (!isNhwc) return DualLayoutTensor.ofNchw(fn(x.nchw(), axes, keep));
  const result = fn(
    x.nhwc(),
    axes.map((a) => nhwcAxis(a, x.rank)),
    keep,
  );
  return keep || (!axes.includes(1) && left >= 3) ? DualLayoutTensor.ofNhwc(result) : DualLayoutTensor.ofNchw(result);
}

export const reduceKernels: Kernels = {
  ReduceSum: reduce((x, axes, keep) => tf().sum(x, axes, keep)),
  ReduceMean: reduce((x, axes, keep) => tf().mean(x, axes, keep)),
  ReduceMax: reduce((x, axes, keep) => tf().max(x, axes, keep)),
  ReduceMin: reduce((x, axes, keep) => tf().min(x, axes, keep)),
  ReduceProd: reduce((x, axes, keep) => tf().prod(x, axes, keep)),
  ReduceL1: reduce((x, axes, keep) => tf().sum(tf().abs(x), axes, keep)),
  ReduceL2: reduce((x, axes, keep) => tf().sqrt(tf().sum(tf().square(x), axes, keep))),
  ReduceSumSquare: reduce((x, axes, keep) => tf().sum(tf().square(x), axes, keep)),
  GlobalAveragePool: (call) => over(call, (x, axes) => tf().mean(x, axes, true), spatial(call), true),
  GlobalMaxPool: (call) => over(call, (x, axes) => tf().max(x, axes, true), spatial(call), true),
  Softmax: (call) => {
    const { tensor, place, wrap } = form(call.at(0));
    const at = place(call.axis("axis", -1));
    const powers = tf().exp(tf().sub(tensor, tf().max(tensor, at, true)));
    return wrap(tf().div(powers, tf().sum(powers, at, true)));
  },
};

const spatial = (call: Call): number[] =>
  call
    .at(0)
    .dims.map((_, k) => k)
    .slice(2);
