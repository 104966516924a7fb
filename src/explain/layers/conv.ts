import type { ConvLayer, Weights, Window } from "../network/network.js";
import type { Emitter, Value } from "../program/emitter.js";
import type { Size } from "../program/program.js";
import type { Weighted } from "./layer.js";
import { windowReach } from "./reach.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";
import { mapWeights } from "./weight-map.js";

export const conv: Weighted<ConvLayer> = {
  family: "weighted",
  forward(scope, layer) {
    const { e } = scope;
    const bias = layer.bias && e.tensor(layer.bias, [layer.bias.length]);
    const a = tensorValue(scope, layer.inputs[0]!);
    return e.conv(a, e.weights(layer.weight), bias, layer, layer.groups, sizeOf(scope, layer));
  },
  with(scope, layer, a, map) {
    const weight = scope.e.weights(mapWeights(layer.weight, map));
    return scope.e.conv(a, weight, undefined, layer, layer.groups, sizeOf(scope, layer));
  },
  transposed: (scope, layer, g) => convTransposed(scope, layer, g, [layer.weight])[0]!,
  transposedWith(scope, layer, g, maps) {
    const weights = maps.map((map) => mapWeights(layer.weight, map));
    return convTransposed(scope, layer, g, weights);
  },
  reach: windowReach,
};

function sizeOf(scope: Scope, layer: ConvLayer): Size {
  const [, , height, width] = shapeOf(scope, layer.inputs[0]!) as [number, number, number, number];
  return [height, width];
}

/** `Σ_j w_ij g_j` for several weights at once, of any number of channels each; one value each, height and width of the layer's input. */
export function convTransposed(scope: Scope, layer: ConvLayer, g: Value, weights: readonly Weights[]): Value[] {
  if (weights.length === 1 || layer.groups > 1) return weights.map((w) => transposed(scope, layer, g, w));
  const [out, , kh, kw] = layer.weight.dims as [number, number, number, number];
  const channels = weights.map((w) => w.dims[1]!);
  const whole = channels.reduce((sum, c) => sum + c, 0);
  const joined = new Float32Array(out * whole * kh * kw);
  let at = 0;
  for (let o = 0; o < out; o++)
    for (const { data } of weights) {
      const block = data.length / out;
      joined.set(data.subarray(o * block, (o + 1) * block), at);
      at += block;
    }
  const all = transposed(scope, layer, g, { dims: [out, whole, kh, kw], data: joined });
  return scope.e.many("Split", [all, scope.e.ints(channels)], weights.length, { axis: { int: 1 } });
}

/** The transpose of a convolution. Strided ones of full channels go by phases where they can: then no zero is multiplied. */
function transposed(scope: Scope, layer: ConvLayer, g: Value, weight: Weights): Value {
  const [, , height, width] = shapeOf(scope, layer.inputs[0]!) as [number, number, number, number];
  const [, , outHeight, outWidth] = shapeOf(scope, layer.outputs[0]!) as [number, number, number, number];
  const pointwise = layer.kernel.every((k) => k === 1) && layer.pads.every((p) => p === 0);
  const byPhase = pointwise ? undefined : phases(scope, layer, g, weight);
  return byPhase ?? turnedConv(scope.e, g, weight, layer, layer.groups, [height, width], [outHeight, outWidth]);
}

/**
 * The transpose of a convolution as a plain one with the kernel turned and its channel axes swapped, which engines run faster
 * than a transposed one (and OpenVINO 2026.4 gives wrong numbers for those of uneven strides): on `g` with zeros between its
 * elements where it is strided.
 * @param weight `[out, in / g, kh, kw]`
 * @param input height and width of what the convolution reads
 * @param output height and width of what it gives, and so of `g`
 */
export function turnedConv(
  e: Emitter,
  g: Value,
  weight: Weights,
  { kernel: [kh, kw], strides: [sh, sw], pads: [top, left], dilations }: Window,
  groups: number,
  [height, width]: Size,
  [outHeight, outWidth]: Size,
): Value {
  const [dh, dw] = dilations;
  const whole = [outHeight * sh, outWidth * sw] as const;
  // Padding that gives exactly the input's size; negative where elements are to be cut off.
  const before = [dh * (kh - 1) - top, dw * (kw - 1) - left] as const;
  const after = [height + top - whole[0], width + left - whole[1]] as const;
  const conv = (value: Value, pads: Window["pads"], size: Size): Value => {
    const window = { kernel: [kh, kw], strides: [1, 1], pads, dilations } as const;
    return e.conv(value, e.weights(flip(weight, groups)), undefined, window, groups, size);
  };
  if (kh === 1 && kw === 1 && top === 0 && left === 0) {
    const product = conv(g, [0, 0, 0, 0], [outHeight, outWidth]);
    return fitEnd(e, insertZeros(e, product, [outHeight, outWidth], [sh, sw]), whole, after);
  }
  const starts = before.map((p) => Math.max(0, -p)) as [number, number];
  const ends = after.map((p, k) => whole[k]! + Math.min(0, p)) as [number, number];
  const spread = insertZeros(e, g, [outHeight, outWidth], [sh, sw]);
  const isWhole = [...before, ...after].every((p) => p >= 0);
  const cut = isWhole ? spread : e.slice(spread, [2, 3], starts, ends);
  const pads = [...before, ...after].map((p) => Math.max(0, p)) as [number, number, number, number];
  return conv(cut, pads, [ends[0] - starts[0], ends[1] - starts[1]]);
}

/**
 * The transpose of a strided convolution as plain convolutions that make each of the stride's phases a channel of its
 * own, interleaved afterwards: row `y = s·q + p` gathers `w[k] g[o]` with `k = (p + top) mod s + s·m` and
 * `o = q + ⌊(p + top) / s⌋ − m`. Undefined where dilation or the padding asked for do not fit that.
 */
function phases(scope: Scope, layer: ConvLayer, g: Value, weight: Weights): Value | undefined {
  const { e } = scope;
  const [, , height, width] = shapeOf(scope, layer.inputs[0]!) as [number, number, number, number];
  const [, , outHeight, outWidth] = shapeOf(scope, layer.outputs[0]!) as [number, number, number, number];
  const [out, perGroup, kh, kw] = weight.dims as [number, number, number, number];
  const [sh, sw] = layer.strides;
  if (layer.dilations.some((d) => d !== 1) || layer.groups !== 1 || sh !== sw || sh === 1) return undefined;
  const rows = phasesOf(kh, sh, layer.pads[0]);
  const columns = phasesOf(kw, sw, layer.pads[1]);
  const [qh, qw] = [Math.ceil(height / sh), Math.ceil(width / sw)];
  /** These phases by one convolution, a block of channels each. */
  const part = (ys: readonly Tap[][], xs: readonly Tap[][]): Value | undefined => {
    const [top, bottom] = reach(ys);
    const [left, right] = reach(xs);
    const pads: Window["pads"] = [-top, -left, qh - 1 + bottom - (outHeight - 1), qw - 1 + right - (outWidth - 1)];
    if (pads.some((p) => p < 0)) return undefined;
    const kernel: [number, number] = [bottom - top + 1, right - left + 1];
    const size = kernel[0] * kernel[1];
    const data = new Float32Array(ys.length * xs.length * perGroup * out * size);
    each(ys, (py, { offset: y, tap: ky }) =>
      each(xs, (px, { offset: x, tap: kx }) => {
        const at = (y - top) * kernel[1] + x - left;
        for (let i = 0; i < perGroup; i++)
          for (let o = 0; o < out; o++)
            data[(((py * xs.length + px) * perGroup + i) * out + o) * size + at] =
              weight.data[((o * perGroup + i) * kh + ky) * kw + kx]!;
      }),
    );
    const turned = e.tensor(data, [ys.length * xs.length * perGroup, out, ...kernel]);
    return e.conv(g, turned, undefined, { kernel, strides: [1, 1], pads, dilations: [1, 1] });
  };
  const apart = (): Value | undefined => {
    const parts = rows.flatMap((y) => columns.map((x) => part([y], [x])));
    return parts.every((p) => p !== undefined) ? e.concat(parts, 1) : undefined;
  };
  const all = (perGroup >= APART_CHANNELS ? apart() : undefined) ?? part(rows, columns);
  if (all === undefined) return undefined;
  return fitEnd(e, e.interleave(all, sh), [qh * sh, qw * sw], [height - qh * sh, width - qw * sw]);
}

/**
 * From so many channels on, each phase has a convolution of its own: together they would carry zeros along, since the
 * phases of an odd kernel have unlike sizes (16 instead of 9 multiplications for 3 × 3), but few channels share one well.
 */
const APART_CHANNELS = 32;

/** A tap of the kernel, along one axis, and the neighbour `offset = o − q` that it falls on. */
interface Tap {
  tap: number;
  offset: number;
}

/** The taps of each phase of one axis. */
const phasesOf = (kernel: number, stride: number, before: number): Tap[][] =>
  Array.from({ length: stride }, (_, phase) => {
    const found: Tap[] = [];
    for (let tap = (phase + before) % stride, m = 0; tap < kernel; tap += stride, m++)
      found.push({ tap, offset: Math.floor((phase + before) / stride) - m });
    return found;
  });

const each = (phases: readonly Tap[][], visit: (phase: number, tap: Tap) => void): void =>
  phases.forEach((taps, phase) => {
    for (const tap of taps) visit(phase, tap);
  });

/** The first and last neighbour that is read, the one of the same place among them. */
function reach(phases: readonly Tap[][]): [first: number, last: number] {
  const offsets = phases.flat().map((t) => t.offset);
  return [Math.min(0, ...offsets), Math.max(0, ...offsets)];
}

/** `stride − 1` zeros after each element along height and width: every element repeated, then all but the first masked. */
function insertZeros(
  e: Emitter,
  value: Value,
  [height, width]: readonly [number, number],
  [sh, sw]: readonly [number, number],
): Value {
  if (sh === 1 && sw === 1) return value;
  const [rows, columns] = [height * sh, width * sw];
  const mask = Float32Array.from({ length: rows * columns }, (_, k) =>
    Math.floor(k / columns) % sh === 0 && (k % columns) % sw === 0 ? 1 : 0,
  );
  return e.mul(e.repeat(value, sh, sw), e.tensor(mask, [1, 1, rows, columns]));
}

/** Appends zeros at the bottom and right, or cuts rows and columns off where `by` is negative. */
function fitEnd(
  e: Emitter,
  value: Value,
  [height, width]: readonly [number, number],
  by: readonly [number, number],
): Value {
  const cut = by.some((p) => p < 0)
    ? e.slice(value, [2, 3], [0, 0], [height + Math.min(0, by[0]), width + Math.min(0, by[1])])
    : value;
  return e.pad(cut, [0, 0, 0, 0], [0, 0, Math.max(0, by[0]), Math.max(0, by[1])]);
}

/** `[out, in / g, kh, kw]` to `[in, out / g, kh, kw]` with the kernel turned by 180°. */
function flip(weight: Weights, groups: number): Weights {
  const [out, perGroup, kh, kw] = weight.dims as [number, number, number, number];
  const outPerGroup = out / groups;
  const data = new Float32Array(weight.data.length);
  for (let group = 0; group < groups; group++)
    for (let o = 0; o < outPerGroup; o++)
      for (let i = 0; i < perGroup; i++)
        for (let y = 0; y < kh; y++)
          for (let x = 0; x < kw; x++)
            data[(((group * perGroup + i) * outPerGroup + o) * kh + (kh - 1 - y)) * kw + (kw - 1 - x)] =
              weight.data[(((group * outPerGroup + o) * perGroup + i) * kh + y) * kw + x]!;
  return { dims: [groups * perGroup, outPerGroup, kh, kw], data };
}
