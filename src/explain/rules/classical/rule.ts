import { linearWith, type WeightedLayer, weightedTransposed } from "../../layers/linear.js";
import { type Scope, shapeOf } from "../../layers/scope.js";
import type { WeightMap } from "../../layers/weight-map.js";
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

/**
 * Shares relevance by contributions that tell signs apart: `R_i = Σ_j m(a_i w_ij) R_j / Σ_i m(a_i w_ij)`, where weights are mapped by
 * `ofUp` at positive inputs and by `ofDown` at negative ones; of outputs where `where` is false, nothing.
 */
export function bySign(scope: Scope, layer: WeightedLayer, { r, a, nonNegative }: Crossing) {
  const { e } = scope;
  const up = nonNegative ? a : e.relu(a);
  const down = nonNegative ? undefined : e.op("Min", [a, e.number(0)]);
  return (ofUp: WeightMap, ofDown: WeightMap, where?: Value): Value => {
    const first = forwardWith(scope, layer, up, ofUp, ofUp);
    const total = down === undefined ? first : e.add(first, forwardWith(scope, layer, down, ofDown, undefined));
    const share = e.div(r, stabilized(e, total));
    const g = where === undefined ? share : e.where(where, share, e.number(0));
    if (down === undefined) return e.mul(up, weightedTransposed(scope, layer, g, [ofUp])[0]!);
    const [fromUp, fromDown] = weightedTransposed(scope, layer, g, [ofUp, ofDown]) as [Value, Value];
    return e.add(e.mul(up, fromUp), e.mul(down, fromDown));
  };
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
