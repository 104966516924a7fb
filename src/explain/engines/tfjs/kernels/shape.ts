import { DualLayoutTensor, nhwcAxis, nhwcOrder, permute } from "../dual-layout-tensor.js";
import { aligned, type Call, form, fromFront, type Kernels } from "../kernel.js";
import { tf } from "../tensorflow.js";

/** Dims with `0` (copied, as ONNX says) and `−1` worked out. */
function resolved(x: DualLayoutTensor, wanted: readonly number[]): number[] {
  const dims = wanted.map((d, k) => (d === 0 ? x.dims[k]! : d));
  const free = dims.indexOf(-1);
  if (free >= 0) dims[free] = x.size / dims.reduce((product, d, k) => (k === free ? product : product * d), 1);
  return dims;
}

/** Stays channel-last where batch and channels keep their places. */
function reshape(x: DualLayoutTensor, dims: number[]): DualLayoutTensor {
  const stays = x.hasNhwc && !x.hasNchw && dims.length >= 3 && dims[0] === x.dims[0] && dims[1] === x.dims[1];
  if (!stays) return DualLayoutTensor.ofNchw(tf().reshape(x.nchw(), dims));
  return DualLayoutTensor.ofNhwc(tf().reshape(x.nhwc(), [dims[0]!, ...dims.slice(2), dims[1]!]));
}

function split(call: Call): DualLayoutTensor[] {
  const x = call.at(0);
  const axis = call.axis("axis", 0);
  const count = call.operation.outputs.length;
  const chunk = Math.ceil(x.dims[axis]! / count);
  const sizes = call.optional(1) ?? Array.from({ length: count }, (_, k) => Math.min(chunk, x.dims[axis]! - k * chunk));
  const { tensor, place, wrap } = form(x);
  return tf()
    .split(tensor, [...sizes], place(axis))
    .map((part) => wrap(part));
}

function slice(call: Call): DualLayoutTensor {
  const x = call.at(0);
  const [starts, ends] = [call.known(1), call.known(2)];
  const axes = (call.optional(3) ?? starts.map((_, k) => k)).map((a) => fromFront(a, x.rank));
  const steps = call.optional(4) ?? starts.map(() => 1);
  const { tensor, place, wrap } = form(x);
  const [begin, end, stride] = [tensor.shape.map(() => 0), [...tensor.shape], tensor.shape.map(() => 1)];
  axes.forEach((axis, k) => {
    const size = x.dims[axis]!;
    if (steps[k]! < 1) call.refuse(`steps backwards along axis ${axis}`);
    const bounded = (v: number): number => Math.max(0, Math.min(size, v < 0 ? v + size : v));
    begin[place(axis)] = bounded(starts[k]!);
    end[place(axis)] = Math.max(bounded(starts[k]!), bounded(ends[k]!));
    stride[place(axis)] = steps[k]!;
  });
  if (stride.some((s) => s > 1)) return wrap(tf().stridedSlice(tensor, begin, end, stride));
  return wrap(
    tf().slice(
      tensor,
      begin,
      end.map((e, k) => e - begin[k]!),
    ),
  );
}

function pad(call: Call): DualLayoutTensor {
  const x = call.at(0);
  const pads = call.known(1);
  const axes = (call.optional(3) ?? x.dims.map((_, k) => k)).map((a) => fromFront(a, x.rank));
  const mode = call.text("mode", "constant");
  let { tensor, place, wrap } = form(x);
  const around = x.dims.map(() => [0, 0] as [number, number]);
  axes.forEach((axis, k) => {
    around[place(axis)] = [pads[k]!, pads[k + axes.length]!];
  });
  if (around.some(([a, b]) => a < 0 || b < 0)) {
    const begin = around.map(([a]) => Math.max(0, -a));
    const size = tensor.shape.map((d, k) => d - begin[k]! - Math.max(0, -around[k]![1]));
    tensor = tf().slice(tensor, begin, size);
  }
  const grown = around.map(([a, b]) => [Math.max(0, a), Math.max(0, b)] as [number, number]);
  if (mode === "constant") return wrap(tf().pad(tensor, grown, call.optional(2)?.[0] ?? 0));
  grown.forEach(([before, after], axis) => {
    if (before + after > 0)
      tensor = tf().gather(
        tensor,
        tf().tensor1d(outside(call, mode, tensor.shape[axis]!, before, after), "int32"),
        axis,
      );
  });
  return wrap(tensor.clone());
}

/** Which element each place of a padded axis shows. */
function outside(call: Call, mode: string, size: number, before: number, after: number): number[] {
  const period = Math.max(1, 2 * (size - 1));
  return Array.from({ length: before + size + after }, (_, k) => {
    const at = k - before;
    if (mode === "edge") return Math.max(0, Math.min(size - 1, at));
    if (mode === "wrap") return ((at % size) + size) % size;
    if (mode !== "reflect") call.refuse(`pads with ${mode}`);
    const phase = ((at % period) + period) % period;
    return phase < size ? phase : period - phase;
  });
}

function transpose(call: Call): DualLayoutTensor {
  const x = call.at(0);
  const permutation = call.ints("perm") ?? x.dims.map((_, k) => x.rank - 1 - k);
  const { tensor, place } = form(x);
  const toNchw = permutation.map(place);
  if (x.rank < 4 || toNchw.every((p, k) => p === k)) return DualLayoutTensor.ofNchw(permute(tensor, toNchw));
  return DualLayoutTensor.ofNhwc(
    permute(
      tensor,
      nhwcOrder(x.rank).map((axis) => toNchw[axis]!),
    ),
  );
}

export const shapeKernels: Kernels = {
  Reshape: (call) => reshape(call.at(0), resolved(call.at(0), call.known(1))),
  Flatten: (call) => {
    const x = call.at(0);
    const axis = call.axis("axis", 1);
    return reshape(x, [
      x.dims.slice(0, axis).reduce((a, b) => a * b, 1),
      x.dims.slice(axis).reduce((a, b) => a * b, 1),
    ]);
  },
  Unsqueeze: (call) => {
    const axes = call.known(1);
    const rank = call.at(0).rank + axes.length;
    const places = axes.map((a) => fromFront(a, rank));
    const rest = [...call.at(0).dims];
    return reshape(
      call.at(0),
      Array.from({ length: rank }, (_, k) => (places.includes(k) ? 1 : rest.shift()!)),
    );
  },
  Squeeze: (call) => {
    const x = call.at(0);
    const axes = call.optional(1)?.map((a) => fromFront(a, x.rank));
    return reshape(
      x,
      x.dims.filter((d, k) => (axes ? !axes.includes(k) : d !== 1)),
    );
  },
  Transpose: transpose,
  Concat: (call) => {
    const operands = call.inputs.map((_, k) => call.at(k));
    const { tensors, wrap, isNhwc } = aligned(operands);
    const axis = call.axis("axis", 0);
    return wrap(tf().concat(tensors, isNhwc ? nhwcAxis(axis, operands[0]!.rank) : axis));
  },
  Split: split,
  Slice: slice,
  Pad: pad,
  Tile: (call) => {
    const { tensor, place, wrap } = form(call.at(0));
    const times = tensor.shape.map(() => 1);
    call.known(1).forEach((t, axis) => {
      times[place(axis)] = t;
    });
    return wrap(tf().tile(tensor, times));
  },
  Expand: (call) => {
    const x = call.at(0);
    const wanted = call.known(1);
    const rank = Math.max(x.rank, wanted.length);
    const own = [...Array.from({ length: rank - x.rank }, () => 1), ...x.dims];
    const dims = own.map((d, k) => Math.max(d, wanted[k - (rank - wanted.length)] ?? 1));
    const { tensor, place, wrap } = form(rank === x.rank ? x : reshape(x, own));
    const shape = [...tensor.shape];
    dims.forEach((d, axis) => {
      shape[place(axis)] = d;
    });
    return wrap(tf().broadcastTo(tensor, shape));
  },
};
