import { ModelError } from "../../errors.js";
import { isLinear, isWeighted, type LinearLayer, linearTransposed } from "../layers/linear.js";
import { maxPoolBack } from "../layers/max-pool.js";
import { type Scope, tensorValue } from "../layers/scope.js";
import type { Layer, TensorId } from "../network/network.js";
import type { InputBounds } from "../program/bounds.js";
import type { Value } from "../program/emitter.js";
import type { Composite } from "../rules/classical/composites.js";
import { stabilized } from "../rules/classical/rule.js";
import { movedBack } from "./back.js";
import { BoundsBelow } from "./bounds.js";
import { nonNegative, noRule, pictureReaders } from "./relevance.js";

export interface ClassicalOptions {
  composite: Composite;
  /** Signed relevance at the logits, `[N, classes]`. */
  start: Value;
  /** Values of the network's input for pixel 0 and 255. */
  bounds: InputBounds;
}

/**
 * Emits the relevance of the network's input by a classical composite, as zennit 0.5 does: plain signed relevance, not
 * rescaled; activations and batch norms pass it, averages and sums share it by contribution, the first winner of a max pool
 * takes all. A gate, which zennit leaves to the gradient, gives all to its signal.
 */
export function emitClassical(scope: Scope, options: ClassicalOptions): Value {
  const { network, e } = scope;
  const pending = new Map<TensorId, Value>([[network.output, options.start]]);
  const send = (to: TensorId, r: Value): void => {
    const there = pending.get(to);
    pending.set(to, there === undefined ? r : e.add(there, r));
  };
  const first = pictureReaders(network);
  const calm = nonNegative(scope);
  const bounds = new BoundsBelow(scope, options.bounds);
  for (const layer of network.layers.toReversed()) {
    const parts = layer.outputs.map((id) => pending.get(id));
    if (parts.every((p) => p === undefined)) continue;
    for (const id of layer.outputs) pending.delete(id);
    const [input] = layer.inputs as [TensorId];
    const moved = movedBack(scope, layer, parts);
    if (moved) for (const [id, r] of moved) send(id, r);
    else if (isWeighted(layer)) {
      const { composite } = options;
      const own = first.has(layer) ? composite.first?.[layer.kind] : undefined;
      const crossing = {
        r: parts[0]!,
        a: tensorValue(scope, input),
        z: tensorValue(scope, layer.outputs[0]!),
        nonNegative: calm.has(input),
        bounds: first.has(layer) ? bounds.at(input) : undefined,
      };
      send(input, (own ?? composite[layer.kind]).emit(scope, layer, crossing));
    } else if (isLinear(layer)) send(input, norm(scope, layer, parts[0]!));
    else for (const [id, r] of cross(scope, layer, parts[0]!)) send(id, r);
  }
  const map = pending.get(network.input);
  if (map === undefined)
    throw new ModelError("model-unsupported", "no layer carries relevance from the scores to the picture");
  return map;
}

/** `R_i = a_i Σ_j w_ij R_j / z_j` for averages. */
function norm(scope: Scope, layer: LinearLayer, r: Value): Value {
  const { e } = scope;
  const z = tensorValue(scope, layer.outputs[0]!);
  return e.mul(tensorValue(scope, layer.inputs[0]!), linearTransposed(scope, layer, e.div(r, stabilized(e, z))));
}

function cross(scope: Scope, layer: Layer, r: Value): [TensorId, Value][] {
  const { e } = scope;
  const [input] = layer.inputs as [TensorId];
  switch (layer.kind) {
    case "activation":
    case "lrn":
    case "norm":
    case "scale":
      return [[input, r]];
    case "gate":
      return [[input, r]];
    case "add": {
      const share = e.div(r, stabilized(e, tensorValue(scope, layer.outputs[0]!)));
      return layer.inputs.map((id) => [id, e.mul(tensorValue(scope, id), share)]);
    }
    case "maxPool":
      return [[input, maxPoolBack(scope, layer, r, "first")]];
  }
  throw noRule(layer);
}
