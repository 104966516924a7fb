import { listAttribute, numberAttribute, type OnnxNode, textAttribute } from "./onnx-reader.js";
import { nearestOf, resizedDims, resizedFrom } from "./resize.js";
import {
  broadcastDims,
  broadcastIndex,
  forEachIndex,
  normaliseAxis,
  sizeOf,
  stridesOf,
  type Tensor,
} from "./tensor.js";

/** Where each element of one output came from: element `at[j]` of input number `from[j]`, or −1, a fill value. */
export interface Origin {
  dims: number[];
  from: Int32Array;
  at: Int32Array;
  fill: number;
}

type Move = (node: OnnxNode, inputs: (Tensor | undefined)[], outputs: number) => Origin[];

/** An origin from a function that says, for each output index, which flat element of the input it shows. */
function origin(dims: number[], source: (index: number[]) => number, fill = 0): Origin {
  const at = new Int32Array(sizeOf(dims));
  forEachIndex(dims, (index, j) => {
    at[j] = source(index);
  });
  return { dims, at, from: new Int32Array(at.length), fill };
}

const sameOrder = (input: Tensor, dims: number[]): Origin[] => [
  { dims, at: Int32Array.from(input.data, (_, j) => j), from: new Int32Array(input.data.length), fill: 0 },
];

const ints = (t: Tensor | undefined): number[] | undefined => (t ? [...t.data] : undefined);
const dot = (index: number[], strides: number[]): number => index.reduce((sum, k, axis) => sum + k * strides[axis]!, 0);

const reshape: Move = (node, [x, shape]) => {
  const keepZero = numberAttribute(node, "allowzero", 0) === 1;
  const dims = ints(shape)!.map((n, axis) => (n === 0 && !keepZero ? x!.dims[axis]! : n));
  const free = dims.indexOf(-1);
  if (free >= 0) dims[free] = sizeOf(x!.dims) / sizeOf(dims.filter((_, axis) => axis !== free));
  return sameOrder(x!, dims);
};

const flatten: Move = (node, [x]) => {
  const axis = normaliseAxis(numberAttribute(node, "axis", 1), x!.dims.length);
  return sameOrder(x!, [sizeOf(x!.dims.slice(0, axis)), sizeOf(x!.dims.slice(axis))]);
};

const squeeze: Move = (node, [x, axesInput]) => {
  const axes = (ints(axesInput) ?? listAttribute(node, "axes"))?.map((a) => normaliseAxis(a, x!.dims.length));
  return sameOrder(
    x!,
    x!.dims.filter((n, axis) => (axes ? !axes.includes(axis) : n !== 1)),
  );
};

const unsqueeze: Move = (node, [x, axesInput]) => {
  const given = ints(axesInput) ?? listAttribute(node, "axes")!;
  const rank = x!.dims.length + given.length;
  const axes = given.map((a) => normaliseAxis(a, rank));
  const old = [...x!.dims];
  return sameOrder(
    x!,
    Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : old.shift()!)),
  );
};

const transpose: Move = (node, [x]) => {
  const perm = listAttribute(node, "perm") ?? x!.dims.map((_, axis) => axis).reverse();
  const strides = stridesOf(x!.dims);
  const permuted = perm.map((axis) => strides[axis]!);
  return [
    origin(
      perm.map((axis) => x!.dims[axis]!),
      (index) => dot(index, permuted),
    ),
  ];
};

const concat: Move = (node, inputs) => {
  const parts = inputs as Tensor[];
  const axis = normaliseAxis(numberAttribute(node, "axis", 0), parts[0]!.dims.length);
  const dims = [...parts[0]!.dims];
  dims[axis] = parts.reduce((sum, part) => sum + part.dims[axis]!, 0);
  const from = new Int32Array(sizeOf(dims));
  const at = new Int32Array(sizeOf(dims));
  forEachIndex(dims, (index, j) => {
    let k = 0;
    const local = [...index];
    while (local[axis]! >= parts[k]!.dims[axis]!) local[axis]! -= parts[k++]!.dims[axis]!;
    from[j] = k;
    at[j] = dot(local, stridesOf(parts[k]!.dims));
  });
  return [{ dims, from, at, fill: 0 }];
};

const split: Move = (node, [x, sizesInput], outputs) => {
  const axis = normaliseAxis(numberAttribute(node, "axis", 0), x!.dims.length);
  const even = Math.ceil(x!.dims[axis]! / outputs);
  const sizes =
    ints(sizesInput) ??
    listAttribute(node, "split") ??
    Array.from({ length: outputs }, (_, k) => Math.min(even, x!.dims[axis]! - k * even));
  const strides = stridesOf(x!.dims);
  let start = 0;
  return sizes.map((size) => {
    const offset = start * strides[axis]!;
    start += size;
    return origin(
      x!.dims.map((n, k) => (k === axis ? size : n)),
      (index) => offset + dot(index, strides),
    );
  });
};

const slice: Move = (node, [x, startsInput, endsInput, axesInput, stepsInput]) => {
  const rank = x!.dims.length;
  const starts = ints(startsInput) ?? listAttribute(node, "starts")!;
  const ends = ints(endsInput) ?? listAttribute(node, "ends")!;
  const axes = (ints(axesInput) ?? listAttribute(node, "axes") ?? starts.map((_, k) => k)).map((a) =>
    normaliseAxis(a, rank),
  );
  const begin = new Array<number>(rank).fill(0);
  const step = new Array<number>(rank).fill(1);
  const dims = [...x!.dims];
  axes.forEach((axis, k) => {
    const n = x!.dims[axis]!;
    const by = ints(stepsInput)?.[k] ?? 1;
    const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v < 0 ? v + n : v, low), high);
    begin[axis] = by > 0 ? clamp(starts[k]!, 0, n) : clamp(starts[k]!, 0, n - 1);
    const end = by > 0 ? clamp(ends[k]!, 0, n) : clamp(ends[k]!, -1, n - 1);
    step[axis] = by;
    dims[axis] = Math.max(0, Math.ceil((end - begin[axis]!) / by));
  });
  const strides = stridesOf(x!.dims);
  return [
    origin(dims, (index) =>
      dot(
        index.map((k, axis) => begin[axis]! + k * step[axis]!),
        strides,
      ),
    ),
  ];
};

/** Where position `p` of a padded axis of length `n` reads from; −1 is the fill value. */
const PAD_MODES: Record<string, (p: number, n: number) => number> = {
  constant: (p, n) => (p < 0 || p >= n ? -1 : p),
  edge: (p, n) => Math.min(Math.max(p, 0), n - 1),
  reflect: (p, n) => (p < 0 ? -p : p >= n ? 2 * (n - 1) - p : p),
  wrap: (p, n) => ((p % n) + n) % n,
};

const pad: Move = (node, [x, padsInput, valueInput, axesInput]) => {
  const rank = x!.dims.length;
  const given = ints(padsInput) ?? listAttribute(node, "pads")!;
  const axes = ints(axesInput)?.map((a) => normaliseAxis(a, rank)) ?? x!.dims.map((_, axis) => axis);
  const begin = new Array<number>(rank).fill(0);
  const dims = [...x!.dims];
  axes.forEach((axis, k) => {
    begin[axis] = given[k]!;
    dims[axis]! += given[k]! + given[axes.length + k]!;
  });
  const read = PAD_MODES[textAttribute(node, "mode", "constant")]!;
  const strides = stridesOf(x!.dims);
  const source = (index: number[]): number => {
    const local = index.map((p, axis) => read(p - begin[axis]!, x!.dims[axis]!));
    return local.includes(-1) ? -1 : dot(local, strides);
  };
  return [origin(dims, source, valueInput?.data[0] ?? numberAttribute(node, "value", 0))];
};

const gather: Move = (node, [x, indices]) => {
  const axis = normaliseAxis(numberAttribute(node, "axis", 0), x!.dims.length);
  const rank = indices!.dims.length;
  const strides = stridesOf(x!.dims);
  const indexStrides = stridesOf(indices!.dims);
  return [
    origin([...x!.dims.slice(0, axis), ...indices!.dims, ...x!.dims.slice(axis + 1)], (index) => {
      const pick = indices!.data[dot(index.slice(axis, axis + rank), indexStrides)]!;
      const local = [...index.slice(0, axis), normaliseAxis(pick, x!.dims[axis]!), ...index.slice(axis + rank)];
      return dot(local, strides);
    }),
  ];
};

const expand: Move = (_node, [x, shape]) => {
  const dims = broadcastDims([x!.dims, ints(shape)!]);
  const at = broadcastIndex(x!.dims, dims);
  return [{ dims, at, from: new Int32Array(at.length), fill: 0 }];
};

/** DepthToSpace and SpaceToDepth: a reshape to 6 axes, a permutation, a reshape back. */
const blocks =
  (toSpace: boolean): Move =>
  (node, [x]) => {
    const [n, c, h, w] = x!.dims as [number, number, number, number];
    const b = numberAttribute(node, "blocksize", 1);
    const columnsFirst = textAttribute(node, "mode", "DCR") === "CRD";
    const outDims = toSpace ? [n, c / (b * b), h * b, w * b] : [n, c * b * b, h / b, w / b];
    return [
      origin(outDims, ([batch, channel, y, x0]) => {
        if (toSpace) {
          const block = (y! % b) * b + (x0! % b);
          const depth = columnsFirst ? channel! * b * b + block : block * outDims[1]! + channel!;
          return ((batch! * c + depth) * h + Math.floor(y! / b)) * w + Math.floor(x0! / b);
        }
        const block = Math.floor(channel! / c);
        const row = y! * b + Math.floor(block / b);
        return ((batch! * c + (channel! % c)) * h + row) * w + x0! * b + (block % b);
      }),
    ];
  };

/** Each element a copy of the nearest one. */
const nearest: Move = (node, inputs) => {
  const x = inputs[0]!;
  const { dims, scales } = resizedDims(node, inputs);
  const strides = stridesOf(x.dims);
  const from = (k: number, axis: number): number => {
    const at = nearestOf(node, resizedFrom(node, k, x.dims[axis]!, dims[axis]!, scales[axis]!));
    return dims[axis] === x.dims[axis] ? k : Math.min(Math.max(at, 0), x.dims[axis]! - 1);
  };
  return [origin(dims, (index) => dot(index.map(from), strides))];
};

const tile: Move = (_node, [x, repeats]) => {
  const dims = x!.dims.map((n, axis) => n * repeats!.data[axis]!);
  const strides = stridesOf(x!.dims);
  return [
    origin(dims, (index) =>
      dot(
        index.map((k, axis) => k % x!.dims[axis]!),
        strides,
      ),
    ),
  ];
};

/** Element for element from the second input where the first says so, else from the third. */
const where: Move = (_node, [condition, x, y]) => {
  const dims = broadcastDims([condition!.dims, x!.dims, y!.dims]);
  const [picks, ofX, ofY] = [condition!, x!, y!].map((t) => broadcastIndex(t.dims, dims)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const from = Int32Array.from(picks, (k) => (condition!.data[k] ? 1 : 2));
  return [{ dims, from, at: from.map((input, j) => (input === 1 ? ofX[j]! : ofY[j]!)), fill: 0 }];
};

const identity: Move = (_node, [x]) => sameOrder(x!, [...x!.dims]);

/** Operators that only move, copy or drop elements. */
export const MOVES: Record<string, Move> = {
  Identity: identity,
  Dropout: identity,
  Cast: identity,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Gather: gather,
  Expand: expand,
  Tile: tile,
  Where: where,
  Resize: nearest,
  Upsample: nearest,
  DepthToSpace: blocks(true),
  SpaceToDepth: blocks(false),
};
