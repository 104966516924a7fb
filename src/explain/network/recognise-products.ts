import { Builder } from "./builder.js";
import {
  type Layer,
  type MatrixProductLayer,
  makers,
  type Network,
  type NormalisedLayer,
  type PairLayer,
  type TensorId,
} from "./network.js";
import { type Centring, type Centrings, findCentrings } from "./recognise-centring.js";
import { endsInGate, endsInReciprocal, endsInUnscaledGate } from "./recognise-gates.js";
import { isStatistic } from "./statistics.js";

/**
 * Tells what the factors of each product are: a gate, which says how much of the other counts; a statistic of the other, which
 * makes a norm of it; what the other is divided by, as in `x · (1 / y)`; or two signals. What is smaller than the product is copied
 * along the axes that it lacks, where relevance crosses it. A quotient measures what is divided; a difference becomes a sum with what
 * is subtracted negated, but for the mean that a layer norm takes off, which is a statistic as well.
 */
export function recogniseProducts(network: Network): Network {
  const made = makers(network);
  const build = new Builder(network);
  const centrings = findCentrings(network);
  for (const layer of network.layers) {
    const centring = centrings.shifts.get(layer);
    if (centring) build.push(ofCentring(centring, build));
    else if (layer.kind === "pair") build.push(...ofPair(layer, made, build, centrings));
    else if (layer.kind === "matrixProduct") build.push(ofMatrices(layer, made));
    else build.push(layer);
  }
  return build.network();
}

type Made = ReadonlyMap<TensorId, Layer>;

/** `x ± s` as `normalised`, s a statistic of x; `s − x` as `(−1) · x + s`. */
function ofCentring({ layer, x, by, negates }: Centring, build: Builder): NormalisedLayer {
  const { name, operator, outputs } = layer;
  const full = build.expanded(layer, x, outputs[0]!);
  const op = layer.kind === "pair" && !negates ? "Sub" : "Add";
  const of = negates ? build.negated(layer, full) : full;
  return { kind: "normalised", name, operator, inputs: [of, by], outputs, op, centred: true };
}

function ofPair(layer: PairLayer, made: Made, build: Builder, centrings: Centrings): Layer[] {
  if (layer.op === "Sub") return build.difference(layer);
  // Only inside of a gate or a statistic can there be more: relevance crosses no extreme of two tensors.
  if (layer.op === "Max" || layer.op === "Min") return [layer];
  const [a, b] = layer.inputs as [TensorId, TensorId];
  const { op, ...base } = layer;
  const centred = centrings.products.has(layer) && { centred: true as const };
  const full = (id: TensorId): TensorId => build.expanded(layer, id, layer.outputs[0]!);
  if (op === "Div") return [{ ...base, kind: "normalised", op, ...centred, inputs: [full(a), b] }];
  const [first, second] = [endsInReciprocal(a, made), endsInReciprocal(b, made)];
  if (first !== second)
    return [{ ...base, kind: "normalised", op, ...centred, inputs: first ? [full(b), a] : [full(a), b] }];
  const gated = gateOf(a, b, made);
  // What measures the gate itself is no signal: it is a norm of the gate.
  if (gated && !isStatistic(gated.signal, gated.gate, made, build.source))
    return [{ ...base, kind: "gate", inputs: [full(gated.signal), gated.gate] }];
  for (const [x, s] of [
    [a, b],
    [b, a],
  ] as const)
    if (isStatistic(s, x, made, build.source))
      return [{ ...base, kind: "normalised", op, ...centred, inputs: [full(x), s] }];
  return [{ ...base, kind: "signals", inputs: [full(a), full(b)] }];
}

/** Which of two factors is a gate, surest sign first; undefined where both are or neither is. */
function gateOf(a: TensorId, b: TensorId, made: Made): { signal: TensorId; gate: TensorId } | undefined {
  for (const ends of [endsInGate, endsInUnscaledGate]) {
    const [first, second] = [ends(a, made), ends(b, made)];
    if (first !== second) return second ? { signal: a, gate: b } : { signal: b, gate: a };
    if (first) return undefined;
  }
  return undefined;
}

function ofMatrices(layer: MatrixProductLayer, made: Made): Layer {
  const [a, b] = layer.inputs as [TensorId, TensorId];
  const [first, second] = [endsInGate(a, made), endsInGate(b, made)];
  if (first === second) return layer;
  return { ...layer, kind: "attention", gateFirst: first, inputs: first ? [b, a] : [a, b] };
}
