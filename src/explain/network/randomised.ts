import type { Layer, Network, Weights } from "./network.js";

/** Layers with weights of a network: what a cascade goes through, from the scores down. */
export const weightedLayers = ({ layers }: Network): number =>
  layers.filter(({ kind }) => kind === "conv" || kind === "dense").length;

/**
 * A network whose last `count` convolutions and dense layers, and all that is behind the first of them, have random parameters:
 * each tensor of them is drawn from a normal distribution with its own mean and standard deviation (the cascading
 * randomisation of Adebayo et al. 2018). What a layer draws does not depend on `count`.
 * @param normal standard normal numbers for one layer, by its place in the network
 */
export function randomised(network: Network, count: number, normal: (layer: number) => () => number): Network {
  let left = weightedLayers(network) - count;
  const layers = network.layers.map((layer, k): Layer => {
    if (layer.kind === "conv" || layer.kind === "dense") left--;
    return left < 0 ? redrawn(layer, normal(k)) : layer;
  });
  return { ...network, layers };
}

function redrawn(layer: Layer, next: () => number): Layer {
  const array = (data: Float32Array): Float32Array => drawn(data, next);
  const weights = (given: Weights): Weights => ({ dims: given.dims, data: array(given.data) });
  switch (layer.kind) {
    case "conv":
    case "dense":
      return { ...layer, weight: weights(layer.weight), bias: layer.bias && array(layer.bias) };
    case "scale":
    case "norm":
      return { ...layer, factor: layer.factor && weights(layer.factor), shift: layer.shift && weights(layer.shift) };
    case "averagePool":
    case "mean":
    case "resize":
      return { ...layer, factor: layer.factor && array(layer.factor), shift: layer.shift && array(layer.shift) };
    default:
      return layer;
  }
}

function drawn(data: Float32Array, next: () => number): Float32Array {
  const mean = data.reduce((sum, v) => sum + v, 0) / data.length;
  const deviation = Math.sqrt(data.reduce((sum, v) => sum + (v - mean) ** 2, 0) / data.length);
  return Float32Array.from(data, () => mean + deviation * next());
}
