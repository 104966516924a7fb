import {
  type ConvLayer,
  type DenseLayer,
  type Layer,
  makers,
  type Network,
  readers,
  type ScaleLayer,
  type Weights,
} from "./network.js";

/**
 * Folds constant per-channel scales and shifts (batch norm among them) into the convolution or dense layer whose only
 * reader they are: `γ(wa + b) + β = (γw)a + (γb + β)`.
 */
export function foldScales(network: Network): Network {
  let layers = [...network.layers];
  for (let at = 0; at < layers.length; at++) {
    const scale = layers[at]!;
    if (scale.kind !== "scale") continue;
    const source = scale.inputs[0]!;
    const maker = makers({ layers }).get(source);
    if (!maker || (maker.kind !== "conv" && maker.kind !== "dense")) continue;
    if (source === network.output || readers({ layers, output: network.output }).get(source)!.length !== 1) continue;
    const folded = fold(maker, scale);
    if (!folded) continue;
    layers = layers.flatMap((l): Layer[] => (l === maker ? [folded] : l === scale ? [] : [l]));
    at -= 1;
  }
  return { ...network, layers };
}

/** A constant as one value a channel, or undefined when it varies inside a channel's plane. */
function perChannel(
  w: Weights | undefined,
  channels: number,
  fallback: number,
  channelsLast: boolean,
): Float32Array | undefined {
  if (!w) return new Float32Array(channels).fill(fallback);
  if (w.data.length === 1) return new Float32Array(channels).fill(w.data[0]!);
  if (w.data.length !== channels) return undefined;
  const last = w.dims.length === 1 || w.dims.slice(0, -1).every((d) => d === 1);
  const first = w.dims.length >= 3 && w.dims.slice(1).every((d) => d === 1);
  return (channelsLast ? last : first) ? w.data : undefined;
}

function fold(linear: ConvLayer | DenseLayer, scale: ScaleLayer): ConvLayer | DenseLayer | undefined {
  const channels = linear.kind === "conv" ? linear.weight.dims[0]! : linear.weight.dims[1]!;
  const factor = perChannel(scale.factor, channels, 1, linear.kind === "dense");
  const shift = perChannel(scale.shift, channels, 0, linear.kind === "dense");
  if (!factor || !shift) return undefined;
  const data = new Float32Array(linear.weight.data.length);
  const perOut = data.length / channels;
  for (let i = 0; i < data.length; i++)
    data[i] = linear.weight.data[i]! * factor[linear.kind === "conv" ? Math.floor(i / perOut) : i % channels]!;
  const bias = Float32Array.from({ length: channels }, (_, c) => (linear.bias?.[c] ?? 0) * factor[c]! + shift[c]!);
  return { ...linear, outputs: scale.outputs, weight: { dims: linear.weight.dims, data }, bias };
}
