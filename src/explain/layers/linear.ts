import type {
  AveragePoolLayer,
  ConvLayer,
  DenseLayer,
  Layer,
  MeanLayer,
  ResizeLayer,
  Weights,
} from "../network/network.js";
import type { Value } from "../program/emitter.js";
import { averagePoolTransposed, averagePoolWith, meanTransposed, meanWith } from "./average-pool.js";
import { convTransposed, convWith } from "./conv.js";
import { denseTransposed, denseWith } from "./dense.js";
import { resizeTransposed, resizeWith } from "./resize.js";
import type { Scope } from "./scope.js";

/** Layers that compute `z_j = Σ_i a_i w_ij + b_j`. */
export type LinearLayer = ConvLayer | DenseLayer | AveragePoolLayer | MeanLayer | ResizeLayer;
/** Linear layers with weights of their own, which may take an input rule. */
export type WeightedLayer = ConvLayer | DenseLayer;

export const isWeighted = (layer: Layer): layer is WeightedLayer => layer.kind === "conv" || layer.kind === "dense";
export const isLinear = (layer: Layer): layer is LinearLayer =>
  isWeighted(layer) || layer.kind === "averagePool" || layer.kind === "mean" || layer.kind === "resize";

const same = (w: number): number => w;
/** Weights that stay what they are stay one constant of the program. */
const mapWeights = (w: Weights, map: (v: number) => number): Weights =>
  map === same ? w : { dims: w.dims, data: w.data.map(map) };

/** `Σ_i a_i m(w_ij)` without bias. */
export function linearWith(scope: Scope, layer: LinearLayer, a: Value, map: (w: number) => number): Value {
  switch (layer.kind) {
    case "conv":
      return convWith(scope, layer, a, mapWeights(layer.weight, map));
    case "dense":
      return denseWith(scope, layer, a, mapWeights(layer.weight, map));
    case "averagePool":
      return averagePoolWith(scope, layer, a, map);
    case "mean":
      return meanWith(scope, layer, a, map);
    case "resize":
      return resizeWith(scope, layer, a, map);
  }
}

/** `Σ_j w_ij g_j`; dims of the layer's input, or such that they broadcast to it (mean). */
export function linearTransposed(scope: Scope, layer: LinearLayer, g: Value): Value {
  switch (layer.kind) {
    case "averagePool":
      return averagePoolTransposed(scope, layer, g);
    case "mean":
      return meanTransposed(scope, layer, g);
    case "resize":
      return resizeTransposed(scope, layer, g);
    default:
      return weightedTransposed(scope, layer, g, [same])[0]!;
  }
}

/** `Σ_j m(w_ij) g_j`, one value for each map `m` of the weights. */
export function weightedTransposed(
  scope: Scope,
  layer: WeightedLayer,
  g: Value,
  maps: readonly ((w: number) => number)[],
): Value[] {
  const weights = maps.map((map) => mapWeights(layer.weight, map));
  return layer.kind === "conv" ? convTransposed(scope, layer, g, weights) : denseTransposed(scope, layer, g, weights);
}
