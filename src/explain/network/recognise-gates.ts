import { ModelError } from "../../errors.js";
import { Builder } from "./builder.js";
import { type Layer, makers, type Network, type PairLayer, type TensorId } from "./network.js";

const GATE_OPERATORS = new Set(["Sigmoid", "HardSigmoid"]);
type Makers = ReadonlyMap<TensorId, Layer>;

/**
 * Tells the gate of each product from its signal: the factor that ends in a sigmoid, hard-sigmoid or softmax. A signal
 * smaller than its gate is copied along the axes that it lacks. A difference becomes a sum with what is subtracted negated.
 * @throws ModelError at a product, quotient or extreme of two tensors that is no gate, and at what is known only as a part
 */
export function recogniseGates(network: Network): Network {
  const made = makers(network);
  const build = new Builder(network);
  for (const layer of network.layers) {
    if (layer.kind === "pair") build.push(...gateOf(layer, made, build));
    else {
      refuseParts(layer);
      build.push(layer);
    }
  }
  return build.network();
}

function gateOf(layer: PairLayer, made: Makers, build: Builder): Layer[] {
  if (layer.op === "Sub") return build.difference(layer);
  if (layer.op !== "Mul")
    throw refusal(
      layer,
      `it ${VERBS[layer.op]} two tensors that both depend on the picture, and is part of no activation or norm that is known`,
    );
  const [a, b] = layer.inputs as [TensorId, TensorId];
  // How a factor is known as the gate, surest first.
  for (const ends of [endsInGate, endsInUnscaledGate]) {
    const [first, second] = [ends(a, made), ends(b, made)];
    if (first && second) throw unclear(layer, "both end");
    if (!first && !second) continue;
    const [signal, gate] = second ? [a, b] : [b, a];
    const { op: _, ...base } = layer;
    return [{ ...base, kind: "gate", inputs: [build.expanded(layer, signal, layer.outputs[0]!), gate] }];
  }
  throw unclear(layer, "neither ends");
}

const VERBS: Record<Exclude<PairLayer["op"], "Mul" | "Sub">, string> = {
  Div: "divides",
  Max: "takes the larger of",
  Min: "takes the smaller of",
};
const refusal = (layer: Layer, reason: string): ModelError =>
  new ModelError(
    "model-unsupported",
    `node "${layer.name}" (operator ${layer.operator}) cannot be explained: ${reason}`,
  );
const unclear = (layer: Layer, which: string): ModelError =>
  refusal(
    layer,
    `it multiplies two tensors, and ${which} in a sigmoid, hard-sigmoid or softmax that would mark the gate`,
  );

/** Functions that neither rise nor fall all the way are known only inside an activation or a norm. */
const PARTS = new Set(["Reciprocal", "Abs", "Sin", "Cos"]);

function refuseParts(layer: Layer): void {
  if (layer.kind === "activation" && layer.steps.length === 1 && PARTS.has(layer.steps[0]!.op))
    throw refusal(layer, "it stands alone, and only as a part of a known activation or norm can relevance cross it");
  if (layer.kind === "softmax" && layer.log)
    throw refusal(layer, "a log-softmax can only stand at the end of a classifier");
}

const MOVES = new Set<Layer["kind"]>(["reshape", "transpose", "split", "slice", "gather", "pad", "concat"]);

/** What a tensor's elements are made as, behind everything that only moves them; each tensor is looked at once. */
function unmoved(id: TensorId, made: Makers): TensorId[] {
  const seen = new Set<TensorId>();
  const open = [id];
  const found: TensorId[] = [];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const layer = made.get(at);
    if (layer && MOVES.has(layer.kind)) open.push(...layer.inputs);
    else found.push(at);
  }
  return found;
}

const endsInGate = (id: TensorId, made: Makers): boolean => unmoved(id, made).every((at) => isGate(at, made));
const endsInUnscaledGate = (id: TensorId, made: Makers): boolean =>
  unmoved(id, made).every((at) => isUnscaledGate(at, made));

function isGate(id: TensorId, made: Makers): boolean {
  const layer = made.get(id);
  if (!layer) return false;
  if (layer.kind === "softmax") return true;
  if (layer.kind === "activation" && GATE_OPERATORS.has(layer.steps.at(-1)!.op)) return true;
  // Hard-sigmoid spelled out, clip(x + 3, 0, 6) / 6: what counts is that it ends at 0 and 1.
  if (layer.kind === "scale" && !layer.shift && layer.factor?.data.length === 1)
    return Math.abs(clippedAt(layer.inputs[0]!, made) * layer.factor.data[0]! - 1) < 1e-5;
  return clippedAt(id, made) === 1;
}

/** `signal · clip(x + 3, 0, 6)`, divided by 6 afterwards or by the next layer's weights. */
function isUnscaledGate(id: TensorId, made: Makers): boolean {
  const layer = made.get(id);
  const before = layer && made.get(layer.inputs[0]!);
  return !Number.isNaN(clippedAt(id, made)) && before?.kind === "scale" && before.shift?.data.length === 1;
}

/** The upper end of a clip that begins at 0; NaN for anything else. */
function clippedAt(id: TensorId, made: Makers): number {
  const layer = made.get(id);
  const last = layer?.kind === "activation" ? layer.steps.at(-1)! : undefined;
  return last?.op === "Clip" && last.attributes.min === 0 ? (last.attributes.max ?? Number.NaN) : Number.NaN;
}
