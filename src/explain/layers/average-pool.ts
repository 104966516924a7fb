import type { AveragePoolLayer, Window } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { turnedConv } from "./conv.js";
import { channelScaled, channelShifted } from "./folded.js";
import type { Averaging } from "./layer.js";
import { type Scope, shapeOf, tensorValue } from "./scope.js";
import { same } from "./weight-map.js";

/** How many elements each window averages, `[1, 1, H, W]`. */
function counts(scope: Scope, layer: AveragePoolLayer): { data: Float32Array; dims: number[] } {
  const [, , height, width] = shapeOf(scope, layer.inputs[0]!) as [number, number, number, number];
  const [, , outHeight, outWidth] = shapeOf(scope, layer.outputs[0]!) as [number, number, number, number];
  const along = (size: number, out: number, k: 0 | 1): number[] => {
    const before = layer.pads[k];
    const after = layer.pads[k + 2]!;
    const low = layer.countPadding ? -before : 0;
    const high = layer.countPadding ? size + after : size;
    return Array.from({ length: out }, (_, o) => {
      let n = 0;
      for (let t = 0; t < layer.kernel[k]; t++) {
        const at = o * layer.strides[k] - before + t * layer.dilations[k];
        if (at >= low && at < high) n++;
      }
      return n;
    });
  };
  const rows = along(height, outHeight, 0);
  const columns = along(width, outWidth, 1);
  return {
    data: Float32Array.from(rows.flatMap((r) => columns.map((c) => 1 / Math.max(1, r * c)))),
    dims: [1, 1, outHeight, outWidth],
  };
}

const channelsOf = (scope: Scope, layer: AveragePoolLayer): number => shapeOf(scope, layer.inputs[0]!)[1]!;
const ones = (channels: number, window: Window) => ({
  dims: [channels, 1, ...window.kernel],
  data: new Float32Array(channels * window.kernel[0] * window.kernel[1]).fill(1),
});
const uniform = (data: Float32Array): boolean => data.every((v) => v === data[0]);

/** Sums over each window, as a depthwise convolution with ones would. */
const sums = (scope: Scope, layer: AveragePoolLayer, a: Value): Value => {
  const { e } = scope;
  const window = {
    ...layer,
    pads: [layer.pads[0], layer.pads[1], layer.pads[2] + layer.extra[0], layer.pads[3] + layer.extra[1]] as [
      number,
      number,
      number,
      number,
    ],
  };
  return e.conv(a, e.weights(ones(channelsOf(scope, layer), layer)), undefined, window, channelsOf(scope, layer));
};

/** Engines merge a padding layer into the pool that reads it, and then refuse padding as long as the kernel. */
function followsLongPadding(scope: Scope, layer: AveragePoolLayer): boolean {
  const before = scope.network.layers.find((l) => l.outputs.includes(layer.inputs[0]!));
  return before?.kind === "pad" && [0, 1].some((k) => longest(before, k + 2) >= layer.kernel[k]!);
}
const longest = ({ before, after }: { before: number[]; after: number[] }, axis: number): number =>
  Math.max(before[axis] ?? 0, after[axis] ?? 0);

function average(scope: Scope, layer: AveragePoolLayer, a: Value): Value {
  const { e } = scope;
  const share = counts(scope, layer);
  const plain =
    layer.pads.every((p) => p === 0) &&
    layer.extra.every((p) => p === 0) &&
    layer.dilations.every((d) => d === 1) &&
    !followsLongPadding(scope, layer);
  if (plain)
    return e.op("AveragePool", [a], {
      kernel_shape: { ints: layer.kernel },
      strides: { ints: layer.strides },
      pads: { ints: layer.pads },
    });
  return e.mul(sums(scope, layer, a), e.tensor(share.data, share.dims));
}

/** `Σ_j γ_j g_j / n_j` over the windows that hold each element. */
function transposed(scope: Scope, layer: AveragePoolLayer, g: Value): Value {
  const { e } = scope;
  const [, channels, height, width] = shapeOf(scope, layer.inputs[0]!) as [number, number, number, number];
  const [, , outHeight, outWidth] = shapeOf(scope, layer.outputs[0]!) as [number, number, number, number];
  const share = counts(scope, layer);
  const weighted = channelScaled(scope, layer, g, same);
  const spread = e.mul(weighted, uniform(share.data) ? e.number(share.data[0]!) : e.tensor(share.data, share.dims));
  return turnedConv(e, spread, ones(channels, layer), layer, channels, [height, width], [outHeight, outWidth]);
}

export const averagePool: Averaging<AveragePoolLayer> = {
  family: "averaging",
  forward: (scope, layer) =>
    channelShifted(scope, layer, averagePool.with(scope, layer, tensorValue(scope, layer.inputs[0]!), same)),
  with: (scope, layer, a, map) => channelScaled(scope, layer, average(scope, layer, a), map),
  transposed,
};
