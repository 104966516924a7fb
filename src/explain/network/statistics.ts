import { elements, type Layer, type Network, type TensorId } from "./network.js";
import { MOVES } from "./recognise-gates.js";

type Made = ReadonlyMap<TensorId, Layer>;

const ELEMENTWISE = new Set<Layer["kind"]>(["activation", "scale", "add", "pair", "norm"]);

/** A statistic is made of a few layers; what is made of more is none, and is not looked at any further. */
const MAX_LAYERS = 256;

/**
 * Whether a tensor is a statistic of another: made of nothing but reductions of that very tensor, element-wise functions of
 * them and constants, as the root of a mean square is.
 */
export function isStatistic(id: TensorId, of: TensorId, made: Made, network: Network): boolean {
  const same = unchanged(of, made);
  if (isMadeOf(id, new Set(same), made, network)) return true;
  // The variance may be spelled out of what the mean was not yet taken off.
  const centred = made.get(same.at(-1)!);
  if (centred?.kind !== "pair" || centred.op !== "Sub") return false;
  const [a, b] = centred.inputs as [TensorId, TensorId];
  return [
    [a, b],
    [b, a],
  ].some(([x, mean]) => {
    const all = new Set([...same, ...unchanged(x!, made)]);
    return isMadeOf(mean!, all, made, network) && isMadeOf(id, all, made, network);
  });
}

/** Whether every way down from a tensor leads to one of these, through at least one reduction. */
function isMadeOf(id: TensorId, of: ReadonlySet<TensorId>, made: Made, network: Network): boolean {
  const seen = new Set<string>();
  const open = [{ id, reduced: false }];
  for (let at = open.pop(); at; at = open.pop()) {
    const key = `${at.id}|${at.reduced}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (of.has(at.id)) {
      if (!at.reduced) return false;
      continue;
    }
    const layer = made.get(at.id);
    if (!layer || seen.size > MAX_LAYERS) return false;
    const further = isReduction(layer, network);
    if (!further && !MOVES.has(layer.kind) && !ELEMENTWISE.has(layer.kind)) return false;
    const reduced = at.reduced || further;
    for (const input of layer.inputs) open.push({ id: input, reduced });
  }
  return true;
}

function isReduction(layer: Layer, { shapes }: Network): boolean {
  if (layer.kind === "mean") return true;
  if (layer.kind !== "maxPool") return false;
  const channels = shapes.get(layer.inputs[0]!)![1]!;
  return elements(shapes.get(layer.outputs[0]!)!) === channels;
}

/** A tensor under its other shapes, and before constants were multiplied with it. */
function unchanged(id: TensorId, made: Made): TensorId[] {
  const found = [id];
  for (let at = made.get(id); at && found.length < MAX_LAYERS; at = made.get(found.at(-1)!)) {
    if (at.kind !== "reshape" && at.kind !== "transpose" && (at.kind !== "scale" || at.shift)) break;
    found.push(at.inputs[0]!);
  }
  return found;
}
