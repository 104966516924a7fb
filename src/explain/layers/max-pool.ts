import type { MaxPoolLayer } from "../network/network.js";
import type { Emitter, Value, WindowAttributes } from "../program/emitter.js";
import type { Maximum, Ties } from "./layer.js";
import { spreadOverWindows, windowSums } from "./max-pool-sums.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";

/** Stands for minus infinity where padding must never win. */
const LOWEST = -3.4e38;

function forward(scope: Scope, layer: MaxPoolLayer): Value {
  const { e } = scope;
  const x = tensorValue(scope, layer.inputs[0]!);
  const [top, left, bottom, right] = layer.pads;
  // Engines refuse padding that is as long as the kernel, which ceil_mode can add up to.
  const apart = layer.pads.some((p, k) => p >= layer.kernel[k % 2]!);
  return e.op("MaxPool", [apart ? e.pad(x, [0, 0, top, left], [0, 0, bottom, right], LOWEST) : x], {
    kernel_shape: { ints: layer.kernel },
    strides: { ints: layer.strides },
    pads: { ints: apart ? [0, 0, 0, 0] : layer.pads },
    dilations: { ints: layer.dilations },
  });
}

/** Windows that tile the input: none overlaps another, none is padded. */
function tiles(scope: Scope, layer: MaxPoolLayer): boolean {
  const [, , height, width] = shapeOf(scope, layer.inputs[0]!) as [number, number, number, number];
  const [, , outHeight, outWidth] = shapeOf(scope, layer.outputs[0]!) as [number, number, number, number];
  const [kh, kw] = layer.kernel;
  return (
    layer.pads.every((p) => p === 0) &&
    layer.dilations.every((d) => d === 1) &&
    outHeight * kh <= height &&
    outWidth * kw <= width &&
    (outHeight === 1 || kh === layer.strides[0]) &&
    (outWidth === 1 || kw === layer.strides[1])
  );
}

/**
 * Equal parts of a picture give equal activations only up to the rounding of whichever kernel made them, so what is two
 * units of the last place below the highest has won too: else rounding would decide on flat backgrounds. More than that
 * makes ties of values that differ (measured on VGG16: 1e-6 is worse than none).
 */
const TIE = 2.4e-7;

/** The least value that still wins each window. */
function nearlyHighest({ e, values }: Scope, layer: MaxPoolLayer): Value {
  const y = values.get(layer.outputs[0]!)!;
  return e.sub(y, e.mul(e.abs(y), e.number(TIE)));
}

function tiledBack(scope: Scope, layer: MaxPoolLayer, r: Value): Value {
  const { e } = scope;
  const [, , height, width] = shapeOf(scope, layer.inputs[0]!) as [number, number, number, number];
  const [, , outHeight, outWidth] = shapeOf(scope, layer.outputs[0]!) as [number, number, number, number];
  const [kh, kw] = layer.kernel;
  const [h, w] = [outHeight * kh, outWidth * kw];
  const x = tensorValue(scope, layer.inputs[0]!);
  const cut = h === height && w === width ? x : e.slice(x, [2, 3], [0, 0], [h, w]);
  const least = e.repeat(nearlyHighest(scope, layer), kh, kw);
  const wins = e.cast(e.op("GreaterOrEqual", [cut, least]), "float32");
  const tied = e.op("AveragePool", [wins], { kernel_shape: { ints: [kh, kw] }, strides: { ints: [kh, kw] } });
  const share = e.div(e.mul(r, e.number(1 / (kh * kw))), tied);
  return e.pad(e.mul(wins, e.repeat(share, kh, kw)), [0, 0, 0, 0], [0, 0, height - h, width - w]);
}

/**
 * Any geometry: each offset of the window is compared apart, then the shares are put back where they came from. Elements
 * are moved by depthwise convolutions with a single 1 in the kernel: engines have them in their own layout, and they are
 * exact.
 */
function windowsBack(scope: Scope, layer: MaxPoolLayer, r: Value, ties: Ties): Value {
  const { e } = scope;
  const [, channels, height, width] = shapeOf(scope, layer.inputs[0]!) as [number, number, number, number];
  const [, , outHeight, outWidth] = shapeOf(scope, layer.outputs[0]!) as [number, number, number, number];
  const [kh, kw] = layer.kernel;
  const [sh, sw] = layer.strides;
  const [dh, dw] = layer.dilations;
  const [top, left] = layer.pads;
  const reach = [(outHeight - 1) * sh + (kh - 1) * dh + 1, (outWidth - 1) * sw + (kw - 1) * dw + 1] as const;
  const [bottom, right] = [Math.max(0, reach[0] - top - height), Math.max(0, reach[1] - left - width)];
  const padded = e.pad(tensorValue(scope, layer.inputs[0]!), [0, 0, top, left], [0, 0, bottom, right], LOWEST);
  // What a window more would need is cut off.
  const fits = top + height + bottom - reach[0] < sh && left + width + right - reach[1] < sw;
  const x = fits ? padded : e.slice(padded, [2, 3], [0, 0], reach);
  const y = ties === "share" ? nearlyHighest(scope, layer) : tensorValue(scope, layer.outputs[0]!);
  const offsets = Array.from({ length: kh * kw }, (_, k) => [Math.floor(k / kw), k % kw] as const);
  const equal = offsets.map((at) => {
    const each = oneOf(e, x, channels, at, { ...layer, pads: [0, 0, 0, 0] });
    return e.cast(e.op(ties === "share" ? "GreaterOrEqual" : "Equal", [each, y]), "float32");
  });
  const wins = ties === "share" ? equal : firstOf(scope, equal);
  const share = ties === "share" ? e.div(r, wins.reduce(e.add)) : r;
  // Phase (py, px) of the padded input collects the offsets that fall on it, each shifted by whole strides.
  const [down, across] = [Math.floor(((kh - 1) * dh) / sh), Math.floor(((kw - 1) * dw) / sw)];
  const [rows, columns] = [outHeight + down, outWidth + across];
  const shift: WindowAttributes = {
    kernel: [down + 1, across + 1],
    pads: [down, across, down, across],
    strides: [1, 1],
    dilations: [1, 1],
  };
  const phases: Value[] = [];
  for (let py = 0; py < sh; py++)
    for (let px = 0; px < sw; px++) {
      const parts = offsets.flatMap(([ky, kx], k) => {
        const [oy, ox] = [ky * dh, kx * dw];
        if (oy % sh !== py || ox % sw !== px) return [];
        const at = [down - Math.floor(oy / sh), across - Math.floor(ox / sw)] as const;
        return [oneOf(e, e.mul(wins[k]!, share), channels, at, shift)];
      });
      phases.push(
        parts.length > 0
          ? parts.reduce(e.add)
          : e.mul(e.pad(share, [0, 0, 0, 0], [0, 0, rows - outHeight, columns - outWidth]), e.number(0)),
      );
    }
  const woven = weave(e, phases, [channels, rows, columns], [sh, sw]);
  const missing = [Math.max(0, top + height - rows * sh), Math.max(0, left + width - columns * sw)] as const;
  return e.slice(e.pad(woven, [0, 0, 0, 0], [0, 0, ...missing]), [2, 3], [top, left], [top + height, left + width]);
}

/** Of each window the element at one place of the kernel. */
function oneOf(
  e: Emitter,
  value: Value,
  channels: number,
  [row, column]: readonly [number, number],
  window: WindowAttributes,
): Value {
  const [kh, kw] = window.kernel;
  const size = kh * kw;
  const data = new Float32Array(channels * size);
  for (let c = 0; c < channels; c++) data[c * size + row * kw + column] = 1;
  return e.conv(value, e.tensor(data, [channels, 1, kh, kw]), undefined, window, channels);
}

/** Phase `(py, px)` of the stride, row by row, to the elements `(s·q + p)`. */
function weave(
  e: Emitter,
  phases: readonly Value[],
  [channels, rows, columns]: readonly [number, number, number],
  [sh, sw]: readonly [number, number],
): Value {
  if (phases.length === 1) return phases[0]!;
  const all = e.concat(phases, 1);
  if (sh === sw) return e.interleave(all, sh);
  const woven = e.transpose(e.reshape(all, [-1, sh, sw, channels, rows, columns]), [0, 3, 4, 1, 5, 2]);
  return e.reshape(woven, [-1, channels, rows * sh, columns * sw]);
}

/** Of masks with 1 where something wins, those with 1 where nothing before it did. */
function firstOf({ e }: Scope, masks: readonly Value[]): Value[] {
  let taken: Value | undefined;
  return masks.map((mask) => {
    const first = taken === undefined ? mask : e.relu(e.sub(mask, taken));
    taken = taken === undefined ? mask : e.max(taken, mask);
    return first;
  });
}

export const maxPool: Maximum<MaxPoolLayer> = {
  family: "maximum",
  forward,
  tiles,
  windowSums: (scope, layer, v) => windowSums(scope, layer, v, tiles(scope, layer)),
  spread: (scope, layer, g) => spreadOverWindows(scope, layer, g, tiles(scope, layer)),
  back: (scope, layer, r, ties) =>
    ties === "share" && tiles(scope, layer) ? tiledBack(scope, layer, r) : windowsBack(scope, layer, r, ties),
};
