import type { ConvLayer, Layer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Constant, Linear, Weighted } from "./layer.js";
import { LAYERS, type LayerIn } from "./registry.js";
import { type Scope, tensorValue } from "./scope.js";
import type { WeightMap } from "./weight-map.js";

/** Linear layers with weights of their own, which may take an input rule. */
export type WeightedLayer = LayerIn<"weighted">;
/** Linear layers whose weights are known before they run. */
export type ConstantLayer = LayerIn<"weighted" | "averaging">;
/** Layers that compute `z_j = Σ_i a_i w_ij + b_j`. */
export type LinearLayer = ConstantLayer | LayerIn<"mixing">;
/** Layers of which a method divides by something of each output. */
export type DividingLayer = LinearLayer | LayerIn<"bilinear">;

export const isWeighted = (layer: Layer): layer is WeightedLayer => LAYERS[layer.kind].family === "weighted";
export const isLinear = (layer: Layer): layer is LinearLayer =>
  /^(weighted|averaging|mixing)$/.test(LAYERS[layer.kind].family);

export const isPlainConv = (layer: Layer): layer is ConvLayer => layer.kind === "conv" && layer.groups === 1;
/** Whether a neuron reads what its kernel covers: not so in a transposed convolution. */
export const readsOwnWindow = (layer: WeightedLayer): boolean => layer.kind !== "conv" || layer.spread === undefined;

const linear = (layer: LinearLayer): Linear<LinearLayer> => LAYERS[layer.kind];
const constant = (layer: ConstantLayer): Constant<ConstantLayer> => LAYERS[layer.kind];
const weighted = (layer: WeightedLayer): Weighted<WeightedLayer> => LAYERS[layer.kind];

/** `Σ_i a_i m(w_ij)` without bias. */
export const linearWith = (scope: Scope, layer: ConstantLayer, a: Value, map: WeightMap): Value =>
  constant(layer).with(scope, layer, a, map);

/** `Σ_i |a_i w_ij|`. */
export function magnitudeOf(scope: Scope, layer: DividingLayer): Value {
  if (layer.kind === "attention") return LAYERS.attention.magnitude(scope, layer);
  if (layer.kind === "matrixProduct") return LAYERS.matrixProduct.magnitude(scope, layer);
  return linearWith(scope, layer, scope.e.abs(tensorValue(scope, layer.inputs[0]!)), Math.abs);
}

/** `Σ_j w_ij g_j`; dims of the layer's input, or, where it `broadcasts`, such that they broadcast to it. */
export const linearTransposed = (scope: Scope, layer: LinearLayer, g: Value): Value =>
  linear(layer).transposed(scope, layer, g);

/** Whether its transpose gives only what broadcasts to its input. */
export const broadcasts = (layer: LinearLayer): boolean => linear(layer).broadcasts === true;

/** `Σ_j m(w_ij) g_j`, one value for each map `m` of the weights. */
export const weightedTransposed = (scope: Scope, layer: WeightedLayer, g: Value, maps: readonly WeightMap[]): Value[] =>
  weighted(layer).transposedWith(scope, layer, g, maps);

/**
 * `S_j = ‖w_j‖₁ · mean |a|` over what neuron j reads, plus `least`; undefined of layers without weights of their own and of
 * transposed convolutions.
 * @param a `|a|`, the layer's input without signs
 */
export const neuronReach = (scope: Scope, layer: DividingLayer, a: Value, least: number): Value | undefined =>
  isWeighted(layer) && readsOwnWindow(layer) ? weighted(layer).reach(scope, layer, a, least) : undefined;
