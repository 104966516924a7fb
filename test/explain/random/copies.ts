import { type Block, pick } from "./pick.js";
import type { Tensor, Writer } from "./writer.js";

/** Larger pictures cost time and show nothing more. */
const grown = ({ dims: [c, h, w] }: Tensor, by: number): boolean => c * h * w * by > 600;

const sizes = (w: Writer, x: Tensor, height: number, width: number): string => w.ints(1, x.dims[0], height, width);

/** Blocks that copy, reorder or interpolate elements. */
export const COPIES: Record<string, Block> = {
  convTransposed: (w, x, n) => {
    const kernel = [1 + (n[0]! % 3), 1 + (n[1]! % 3)];
    const strides = [1 + (n[2]! % 2), 1 + (n[3]! % 3)];
    const dilations = n[4]! % 3 === 0 ? [2, 1] : [1, 1];
    const reach = kernel.map((k, axis) => dilations[axis]! * (k - 1) + 1);
    const pads = [5, 6, 7, 8].map((k, at) => n[k]! % Math.min(2, reach[at % 2]!));
    const extra = strides.map((s, axis) => (s > 1 ? n[9 + axis]! % s : 0));
    const dims = [0, 1].map(
      (k) => strides[k]! * (x.dims[k + 1]! - 1) + reach[k]! + extra[k]! - pads[k]! - pads[k + 2]!,
    );
    const groups = n[0]! % 4 === 0 ? x.dims[0] : 1;
    const perGroup = groups > 1 ? 1 : 1 + (n[1]! % 4);
    if (dims.some((d) => d < 1) || grown(x, strides[0]! * strides[1]!)) return x;
    const weight = w.weights([x.dims[0], perGroup, ...kernel], (x.dims[0] / groups) * kernel[0]! * kernel[1]!);
    const attributes = { strides, dilations, pads, output_padding: extra, group: groups };
    const name = w.node("ConvTranspose", [x.name, weight, w.weights([perGroup * groups], 4)], attributes);
    return w.named(name, [perGroup * groups, dims[0]!, dims[1]!]);
  },
  resizeNearest: (w, x, n) => {
    const factors = [pick([1, 2, 1.5, 0.5], n[0]!), pick([2, 1, 3, 0.7], n[1]!)];
    const dims = factors.map((f, k) => Math.floor(x.dims[k + 1]! * f));
    if (dims.some((d) => d < 1) || grown(x, factors[0]! * factors[1]!)) return x;
    const attributes = {
      mode: "nearest",
      coordinate_transformation_mode: pick(["asymmetric", "half_pixel", "align_corners"], n[2]!),
      nearest_mode: pick(["floor", "round_prefer_floor", "ceil", "round_prefer_ceil"], n[3]!),
    };
    const by = n[4]! % 2 ? ["", w.constant([4], [1, 1, ...factors])] : ["", "", sizes(w, x, dims[0]!, dims[1]!)];
    return w.named(w.node("Resize", [x.name, ...by], attributes), [x.dims[0], dims[0]!, dims[1]!]);
  },
  resizeLinear: (w, x, n) => {
    const dims = [0, 1].map((k) => Math.max(1, x.dims[k + 1]! + pick([2, -1, 0, 3, -2], n[k]!)));
    if (grown(x, 2) || dims.join() === x.dims.slice(1).join()) return x;
    const mode = pick(["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"], n[2]!);
    const attributes = { mode: "linear", coordinate_transformation_mode: mode };
    const name = w.node("Resize", [x.name, "", "", sizes(w, x, dims[0]!, dims[1]!)], attributes);
    return w.named(name, [x.dims[0], dims[0]!, dims[1]!]);
  },
  gather: (w, x, n) => {
    const axis = n[0]! % 3;
    const extent = x.dims[axis]!;
    const picks = Array.from({ length: 1 + (n[1]! % 5) }, (_, k) => n[2 + k]! % extent);
    const given = picks.map((p) => (n[8]! % 2 ? p : p - extent));
    const dims = x.dims.map((d, k) => (k === axis ? picks.length : d)) as Tensor["dims"];
    return w.named(w.node("Gather", [x.name, w.ints(...given)], { axis: axis + 1 }), dims);
  },
  tile: (w, x, n) => {
    const repeats = [1 + (n[0]! % 2), 1 + (n[1]! % 2), 1 + (n[2]! % 3)] as const;
    if (grown(x, repeats[0] * repeats[1] * repeats[2])) return x;
    const dims = x.dims.map((d, k) => d * repeats[k]!) as Tensor["dims"];
    return w.named(w.node("Tile", [x.name, w.ints(1, ...repeats)]), dims);
  },
  steps: (w, x, n) => {
    const axis = n[0]! % 3;
    const step = pick([2, -1, -2, 3], n[1]!);
    const [from, to] = step > 0 ? [n[2]! % 2, 1e9] : [-1 - (n[2]! % 2), -1e9];
    const length = Math.ceil((x.dims[axis]! - (n[2]! % 2)) / Math.abs(step));
    if (length < 1) return x;
    const dims = x.dims.map((d, k) => (k === axis ? length : d)) as Tensor["dims"];
    return w.named(w.node("Slice", [x.name, w.ints(from), w.ints(to), w.ints(axis + 1), w.ints(step)]), dims);
  },
  padCopies: (w, x, n) => {
    const mode = pick(["edge", "reflect"], n[0]!);
    const most = (d: number): number => (mode === "reflect" ? Math.min(2, d - 1) : 2);
    const pads = [1, 2, 3, 4].map((k, at) => n[k]! % (1 + most(x.dims[1 + (at % 2)]!)));
    const [top, left, bottom, right] = pads as [number, number, number, number];
    const name = w.node("Pad", [x.name, w.ints(0, 0, top, left, 0, 0, bottom, right)], { mode });
    return w.named(name, [x.dims[0], x.dims[1] + top + bottom, x.dims[2] + left + right]);
  },
  crop: (w, x, n) => {
    if (x.dims[1] < 3 || x.dims[2] < 3) return x;
    const pads = w.ints(0, 0, -1, n[0]! % 2, 0, 0, n[1]! % 2, -1);
    const dims: Tensor["dims"] = [x.dims[0], x.dims[1] - 1 + (n[1]! % 2), x.dims[2] - 1 + (n[0]! % 2)];
    return w.named(w.node("Pad", [x.name, pads, w.scalar(0)]), dims);
  },
  blocksToSpace: (w, x, n) => {
    const attributes = { blocksize: 2, mode: pick(["DCR", "CRD"], n[0]!) };
    if (x.dims[0] % 4 !== 0) return x;
    return w.named(w.node("DepthToSpace", [x.name], attributes), [x.dims[0] / 4, x.dims[1] * 2, x.dims[2] * 2]);
  },
  spaceToBlocks: (w, x) => {
    if (x.dims[1] % 2 || x.dims[2] % 2 || x.dims[0] > 3) return x;
    const name = w.node("SpaceToDepth", [x.name], { blocksize: 2 });
    return w.named(name, [x.dims[0] * 4, x.dims[1] / 2, x.dims[2] / 2]);
  },
  addBroadcast: (w, x, n) => {
    const mean = w.conv(w.named(w.node("GlobalAveragePool", [x.name]), [x.dims[0], 1, 1]), x.dims[0], [1, 1]);
    return w.named(w.node("Add", n[0]! % 2 ? [x.name, mean.name] : [mean.name, x.name]), x.dims);
  },
  difference: (w, x, n) => {
    // A difference is a sum with a scale of −1, which would be folded into a convolution right before it.
    const inner = w.one("Tanh", w.conv(x, x.dims[0], [3, 3], { pads: [1, 1, 1, 1] }, n[0]! % 2 === 0));
    return w.named(w.node("Sub", n[1]! % 2 ? [x.name, inner.name] : [inner.name, x.name]), x.dims);
  },
  extreme: (w, x, n) => {
    const bound = n[1]! % 2 ? w.scalar(pick([0, 0.3, -0.2], n[2]!)) : w.weights([x.dims[0], 1, 1], 2);
    return w.named(w.node(pick(["Max", "Min"], n[0]!), n[3]! % 2 ? [x.name, bound] : [bound, x.name]), x.dims);
  },
};
