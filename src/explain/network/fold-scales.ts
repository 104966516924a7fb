import {
  type AveragePoolLayer,
  type ConvLayer,
  channelAxis,
  type DenseLayer,
  type Layer,
  type MeanLayer,
  makers,
  type Network,
  type ResizeLayer,
  readers,
  type ScaleLayer,
  type Weights,
} from "./network.js";

type Linear = ConvLayer | DenseLayer | AveragePoolLayer | MeanLayer | ResizeLayer;
const LINEAR = new Set<Layer["kind"]>(["conv", "dense", "averagePool", "mean", "resize"]);
const isLinear = (layer: Layer | undefined): layer is Linear => layer !== undefined && LINEAR.has(layer.kind);

/**
 * Folds constant per-channel scales and shifts (batch norm among them) into the linear layer whose only reader they are: `γ(wa + b) + β = (γw)a + (γb + β)`.
 */
export function foldScales(network: Network): Network {
  let layers = [...network.layers];
  for (let at = 0; at < layers.length; at++) {
    const scale = layers[at]!;
    if (scale.kind !== "scale") continue;
    const source = scale.inputs[0]!;
    const maker = makers({ layers }).get(source);
    if (!isLinear(maker) && maker?.kind !== "scale") continue;
    if (source === network.output || readers({ layers, output: network.output }).get(source)!.length !== 1) continue;
    const folded = maker.kind === "scale" ? joined(maker, scale) : fold(maker, scale, network.shapes.get(source)!);
    if (!folded) continue;
    layers = layers.flatMap((l): Layer[] => (l === maker ? [folded] : l === scale ? [] : [l]));
    at -= 1;
  }
  return { ...network, layers };
}

/**
 * A constant as one value a channel, or undefined when it varies inside a channel. `axis` is the channels' among the
 * `rank` axes of one frame.
 */
function perChannel(
  w: Weights | undefined,
  channels: number,
  fallback: number,
  axis: number,
  rank: number,
): Float32Array | undefined {
  if (!w) return new Float32Array(channels).fill(fallback);
  if (w.data.length === 1) return new Float32Array(channels).fill(w.data[0]!);
  const skipped = rank - w.dims.length;
  return w.dims.every((d, k) => d === (k + skipped === axis ? channels : 1)) ? w.data : undefined;
}

/** A factor and the shift behind it are one scale. */
const joined = (first: ScaleLayer, second: ScaleLayer): ScaleLayer | undefined =>
  first.shift || second.factor ? undefined : { ...first, outputs: second.outputs, shift: second.shift };

function fold(linear: Linear, scale: ScaleLayer, dims: readonly number[]): Linear | undefined {
  const rank = dims.length - 1;
  const axis = channelAxis(linear, dims.length) - 1;
  const channels = dims[axis + 1]!;
  const factor = perChannel(scale.factor, channels, 1, axis, rank);
  const shift = perChannel(scale.shift, channels, 0, axis, rank);
  if (!factor || !shift) return undefined;
  const { outputs } = scale;
  const shifted = (before: Float32Array | undefined): Float32Array =>
    shift.map((v, c) => (before?.[c] ?? 0) * factor[c]! + v);
  if (linear.kind !== "conv" && linear.kind !== "dense")
    return {
      ...linear,
      outputs,
      factor: factor.map((v, c) => v * (linear.factor?.[c] ?? 1)),
      shift: shifted(linear.shift),
    };
  const perOut = linear.weight.data.length / channels;
  const channelOf =
    linear.kind === "conv" || linear.outFirst ? (i: number) => Math.floor(i / perOut) : (i: number) => i % channels;
  const data = linear.weight.data.map((v, i) => v * factor[channelOf(i)]!);
  return { ...linear, outputs, weight: { dims: linear.weight.dims, data }, bias: shifted(linear.bias) };
}
