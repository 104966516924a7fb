import { type AddLayer, type Layer, makers, type Network, type PairLayer, readers, type TensorId } from "./network.js";
import { isStatistic } from "./statistics.js";

type Made = ReadonlyMap<TensorId, Layer>;

/** A tensor from which a norm takes a statistic of it, `x − mean(x)`, or to which it adds one. */
export interface Centring {
  layer: PairLayer | AddLayer;
  x: TensorId;
  by: TensorId;
  /** `mean(x) − x`. */
  negates: boolean;
}

export interface Centrings {
  shifts: ReadonlyMap<Layer, Centring>;
  /** The products and quotients of the same norms. */
  products: ReadonlySet<Layer>;
}

/**
 * Finds what layer norms in any spelling take the mean off with: `(x − μ) / σ`, where what is left is measured by a statistic of
 * it, and `x / σ − μ / σ`, where both are measured by the same. A mean that is taken off for another reason is no part of a norm.
 */
export function findCentrings(network: Network): Centrings {
  const made = makers(network);
  const reading = readers(network);
  const shifts = new Map<Layer, Centring>();
  const products = new Set<Layer>();
  for (const layer of network.layers) {
    if (!isDifference(layer)) continue;
    const [a, b] = layer.inputs as [TensorId, TensorId];
    for (const [x, by] of [
      [a, b],
      [b, a],
    ] as const) {
      const before = measuredBefore(x, by, made, network);
      const found = before ? [before] : measuredBehind(layer, x, by, made, network, reading);
      if (found.length === 0) continue;
      shifts.set(layer, { layer, x, by, negates: layer.kind === "pair" && x === b });
      for (const product of found) products.add(product);
      break;
    }
  }
  return { shifts, products };
}

const isDifference = (layer: Layer): layer is PairLayer | AddLayer =>
  layer.kind === "pair" ? layer.op === "Sub" : layer.kind === "add" && layer.inputs.length === 2;

/** Of `x / σ − μ / σ`, the quotient of x. */
function measuredBefore(id: TensorId, by: TensorId, made: Made, network: Network): Layer | undefined {
  let product = made.get(id);
  while (product && isPlain(product)) product = made.get(product.inputs[0]!);
  if (product?.kind !== "pair") return undefined;
  const isPart = measurements(product).some(
    ([x, s]) => isMadeWith(by, s, made) && isStatistic(s, x, made, network) && isStatistic(by, x, made, network),
  );
  return isPart ? product : undefined;
}

/** Of `(x − μ) / σ`, the quotients of the difference. */
function measuredBehind(
  { kind, outputs }: Layer,
  x: TensorId,
  by: TensorId,
  made: Made,
  network: Network,
  reading: ReadonlyMap<TensorId, readonly Layer[]>,
): Layer[] {
  if (kind !== "pair" || !isStatistic(by, x, made, network)) return [];
  const found: Layer[] = [];
  const open = [outputs[0]!];
  for (let id = open.pop(); id !== undefined; id = open.pop())
    for (const reader of reading.get(id) ?? [])
      if (isPlain(reader)) open.push(reader.outputs[0]!);
      else if (measurements(reader).some(([of, s]) => of === id && isStatistic(s, id, made, network)))
        found.push(reader);
  return found;
}

/** Another shape or a constant factor. */
const isPlain = (layer: Layer): boolean =>
  layer.kind === "reshape" || layer.kind === "transpose" || (layer.kind === "scale" && !layer.shift);

/** What could be measured by what in a product or quotient. */
function measurements(layer: Layer): (readonly [of: TensorId, by: TensorId])[] {
  if (layer.kind !== "pair" || (layer.op !== "Mul" && layer.op !== "Div")) return [];
  const [a, b] = layer.inputs as [TensorId, TensorId];
  return layer.op === "Div"
    ? [[a, b]]
    : [
        [a, b],
        [b, a],
      ];
}

/** Whether one tensor, a statistic, is made with another. */
function isMadeWith(id: TensorId, part: TensorId, made: Made): boolean {
  const seen = new Set<TensorId>();
  const open = [id];
  for (let at = open.pop(); at !== undefined && seen.size < MAX_LAYERS; at = open.pop()) {
    if (at === part) return true;
    if (seen.has(at)) continue;
    seen.add(at);
    const layer = made.get(at);
    if (layer?.kind === "pair" || layer?.kind === "scale" || layer?.kind === "gather" || layer?.kind === "reshape")
      open.push(...layer.inputs);
  }
  return false;
}

/** A product with what a norm measures by is a few layers away. */
const MAX_LAYERS = 32;
