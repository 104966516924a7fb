import type { Tensor2D } from "@tensorflow/tfjs-core";
import { DualLayoutTensor } from "../dual-layout-tensor.js";
import { form, type Kernels } from "../kernel.js";
import { tf } from "../tensorflow.js";

/** Operations that pick elements by rank or index. */
export const selectKernels: Kernels = {
  TopK: (call) => {
    const x = call.at(0);
    if (call.axis("axis", -1) !== x.rank - 1) call.refuse("looks for the largest along an axis that is not the last");
    if (call.int("largest", 1) !== 1) call.refuse("looks for the smallest");
    const { values, indices } = tf().topk(x.nchw(), call.known(1)[0]!, call.int("sorted", 1) === 1);
    return [DualLayoutTensor.ofNchw(values), DualLayoutTensor.ofNchw(indices)];
  },
  ArgMax: (call) => {
    const axis = call.axis("axis", 0);
    const x = call.at(0).nchw();
    const found = tf().argMax(x, axis);
    return DualLayoutTensor.ofNchw(call.int("keepdims", 1) === 1 ? tf().expandDims(found, axis) : found);
  },
  OneHot: (call) => {
    if (call.axis("axis", -1, call.at(0).rank + 1) !== call.at(0).rank) call.refuse("puts classes on an inner axis");
    const [off, on] = call.known(2) as [number, number];
    // Not `tf.oneHot`, which refuses a single class.
    const classes = tf().range(0, call.known(1)[0]!, 1, "int32");
    const chosen = tf().equal(tf().expandDims(tf().cast(call.at(0).nchw(), "int32"), -1), classes);
    return DualLayoutTensor.ofNchw(tf().add(tf().mul(tf().cast(chosen, "float32"), on - off), off));
  },
  Gather: (call) => {
    const x = call.at(0);
    const axis = call.axis("axis", 0);
    const size = x.dims[axis]!;
    const indices = call.at(1);
    const known = indices.known?.map((i) => (i < 0 ? i + size : i));
    const index = known ? tf().tensor(known, [...indices.dims], "int32") : indices.nchw();
    if (indices.rank !== 1) return DualLayoutTensor.ofNchw(tf().gather(x.nchw(), index as never, axis));
    const { tensor, place, wrap } = form(x);
    return wrap(tf().gather(tensor, index as never, place(axis)));
  },
  GatherElements: (call) => {
    const [x, index] = [call.at(0), call.at(1)];
    if (x.rank !== 2 || call.axis("axis", 0) !== 1) call.refuse("picks from other than the rows of a matrix");
    const [rows, columns] = x.dims as [number, number];
    const firsts = tf().reshape(tf().range(0, rows * columns, columns, "int32"), [rows, 1]);
    const places = tf().add(tf().cast(index.nchw(), "int32") as Tensor2D, firsts);
    return DualLayoutTensor.ofNchw(tf().gather(tf().reshape(x.nchw(), [-1]), places as never));
  },
};
