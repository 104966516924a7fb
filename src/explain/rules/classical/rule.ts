import { linearWith, type WeightedLayer } from "../../layers/linear.js";
import { type Scope, shapeOf } from "../../layers/scope.js";
import type { InputBounds } from "../../program/bounds.js";
import type { Emitter, Value } from "../../program/emitter.js";

/**
 * A classical rule of LRP at a layer with weights: emits `R_i` from signed `R_j`. Definitions and defaults are those of
 * zennit 0.5, so that numbers compare; sources: docs/method.md, "Classical rules".
 */
export interface ClassicalRule {
  name: string;
  emit(scope: Scope, layer: WeightedLayer, crossing: Crossing): Value;
}

export interface Crossing {
  /** Relevance of the layer's output, signed. */
  r: Value;
  /** The layer's input and output of the forward pass. */
  a: Value;
  z: Value;
  /** Whether the input cannot be negative, which halves the work of rules that tell signs apart. */
  nonNegative: boolean;
  /** The layer's input values for pixel 0 and 255; undefined above the first layer. */
  bounds: InputBounds | undefined;
}

/** Added to denominators with their own sign; zero counts as positive. */
const STABILIZER = 1e-6;

export const stabilized = (e: Emitter, value: Value): Value => e.add(value, e.mul(e.sign(value), e.number(STABILIZER)));

type WeightMap = (w: number) => number;

/** `Σ_i a_i m(w_ij) + m(b_j)`, without bias where no map is given for it. */
export function forwardWith(
  scope: Scope,
  layer: WeightedLayer,
  a: Value,
  weights: WeightMap,
  bias: WeightMap | undefined,
): Value {
  const z = linearWith(scope, layer, a, weights);
  if (!layer.bias || !bias) return z;
  const dims = layer.kind === "conv" ? [1, layer.bias.length, 1, 1] : [layer.bias.length];
  return scope.e.add(z, scope.e.tensor(layer.bias.map(bias), dims));
}

/** An input of ones, one frame; the zeros that a transposed convolution puts between its elements are none. */
export function ones(scope: Scope, layer: WeightedLayer): Value {
  const dims = [1, ...shapeOf(scope, layer.inputs[0]!).slice(1)];
  const data = new Float32Array(dims.reduce((x, y) => x * y)).fill(1);
  if (layer.kind !== "conv" || !layer.spread) return scope.e.tensor(data, dims);
  const { first, every } = layer.spread;
  const [height, width] = dims.slice(2) as [number, number];
  const holds = (at: number, k: 0 | 1): boolean => (at - first[k]) % every[k] === 0;
  const mask = data.map((_, i) => (holds(Math.floor(i / width) % height, 0) && holds(i % width, 1) ? 1 : 0));
  return scope.e.tensor(mask, dims);
}

export const positive: WeightMap = (w) => Math.max(w, 0);
export const negative: WeightMap = (w) => Math.min(w, 0);
export const same: WeightMap = (w) => w;
/** The negative part of a value. */
export const belowZero = (e: Emitter, a: Value): Value => e.op("Min", [a, e.number(0)]);
