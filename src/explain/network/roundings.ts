import {
  type ActivationLayer,
  type ElementStep,
  type Layer,
  makers,
  type Network,
  type RoundingLayer,
  readers,
  type TensorId,
} from "./network.js";

/** What a quantised file rounds, before and behind the transforms that know nothing of it. */

const isRounding = (layer: Layer | undefined): layer is RoundingLayer => layer?.kind === "rounding";

const NEVER_NEGATIVE = new Set(["Relu", "Sigmoid", "HardSigmoid", "Abs", "Exp", "Sqrt"]);
const KEEPS_SIGN = new Set<Layer["kind"]>([
  ...["add", "maxPool", "averagePool", "mean", "concat", "split", "slice", "gather", "reshape", "transpose"],
  ...["rounding", "resize"],
] as Layer["kind"][]);

/** Whether a layer gives nothing negative, whatever it reads. */
function endsAtZero(layer: Layer, made: ReadonlyMap<TensorId, Layer>): boolean {
  if (layer.kind === "softmax") return !layer.log;
  if (layer.kind === "rounding") return layer.scale !== undefined && layer.low >= 0;
  if (layer.kind === "pair") {
    // Each reader may have a rounding of its own.
    const [a, b] = layer.inputs.map((id) => (isRounding(made.get(id)) ? made.get(id)!.inputs[0] : id));
    return layer.op === "Mul" && a === b;
  }
  if (layer.kind !== "activation") return false;
  const last = layer.steps.at(-1)!;
  return NEVER_NEGATIVE.has(last.op) || isSquare(last) || (last.op === "Clip" && (last.attributes.min ?? -1) >= 0);
}

/** Whether a step multiplies what it reads with itself, as variances are spelled out. */
function isSquare({ op, operands: [x, y] }: ElementStep): boolean {
  if (op === "Pow") return typeof y === "object" && y.data.every((v) => v % 2 === 0);
  return op === "Mul" && typeof x === "number" && x === y;
}

/** How far beyond the end of a clip the largest number may lie, as its scale is rounded. */
const NEAR = 1 + 2 ** -8;

/**
 * What numbers that begin at 0 make of a tensor: a ReLU; behind `x + c` and ending at 2c or below, the clip to 0..2c of a hard-sigmoid
 * that is spelled out. What is recognised as a gate or an activation has the rounding no more, so that the upper end must stand there.
 */
function cutAtZero({ scale, high }: RoundingLayer & { scale: number }, before: Layer | undefined): ElementStep {
  const shift = before?.kind === "scale" && !before.factor && before.shift?.data.length === 1 && before.shift.data[0];
  if (!shift || shift < 0 || scale * high > 2 * shift * NEAR) return { op: "Relu", operands: [0], attributes: {} };
  return { op: "Clip", operands: [0], attributes: { min: 0, max: 2 * shift } };
}

/** Whether a layer multiplies and adds nothing below 0. */
const scalesUpwards = (layer: Layer): boolean =>
  layer.kind === "scale" && [layer.factor, layer.shift].every((w) => w?.data.every((v) => v >= 0) !== false);

/**
 * Writes the ReLU that a quantised file leaves out, as rounding to numbers that begin at 0 is one: before each such rounding of what
 * may be negative.
 */
export function writeCutsAtZero(network: Network): Network {
  if (!network.layers.some(isRounding)) return network;
  const known = new Set<TensorId>();
  const shapes = new Map(network.shapes);
  const made = makers(network);
  let next = network.nextId;
  const layers = network.layers.flatMap((layer): Layer[] => {
    const [input] = layer.inputs as [TensorId];
    const keeps = (KEEPS_SIGN.has(layer.kind) || scalesUpwards(layer)) && layer.inputs.every((id) => known.has(id));
    if (endsAtZero(layer, made) || keeps) for (const id of layer.outputs) known.add(id);
    if (!isRounding(layer) || layer.scale === undefined || layer.low !== 0 || known.has(input)) return [layer];
    const { name, operator, scale } = layer;
    const cut = next++;
    shapes.set(cut, shapes.get(input)!);
    const steps = [cutAtZero({ ...layer, scale }, made.get(input))];
    const clip: ActivationLayer = { kind: "activation", name, operator, inputs: [input], outputs: [cut], steps };
    return [clip, { ...layer, inputs: [cut] }];
  });
  return { ...network, layers, shapes, nextId: next };
}

const alike = (a: RoundingLayer, b: RoundingLayer): boolean =>
  a.scale === b.scale && a.low === b.low && a.high === b.high;

/** Tensors by another name. */
function renamed(network: Network, names: ReadonlyMap<TensorId, TensorId>): Network {
  const named = (id: TensorId): TensorId => names.get(id) ?? id;
  const layers = network.layers.map((layer): Layer => {
    const inputs = layer.inputs.map(named);
    return inputs.some((id, k) => id !== layer.inputs[k]) ? { ...layer, inputs } : layer;
  });
  return { ...network, layers, output: named(network.output) };
}

/**
 * Takes roundings out where all that reads a tensor reads it rounded alike, and notes them: activations, gates and norms are then
 * recognised as in the network before it was quantised. Others stay where they are.
 */
export function takeRoundings(network: Network): Network {
  if (!network.layers.some(isRounding)) return network;
  const made = makers(network);
  const reading = readers(network);
  const roundings = new Map<TensorId, RoundingLayer>();
  const names = new Map<TensorId, TensorId>();
  const taken = new Set<Layer>();
  for (const layer of network.layers) {
    if (!isRounding(layer)) continue;
    const [given] = layer.inputs as [TensorId];
    const input = names.get(given) ?? given;
    const before = roundings.get(input) ?? made.get(given);
    // Rounded once more to the same numbers.
    const again = isRounding(before) && alike(before, layer);
    const narrowed = roundings.get(input);
    // To fewer numbers of the same scale.
    if (!again && narrowed && narrowed.scale === layer.scale && reading.get(given)!.length === 1) {
      taken.add(layer);
      names.set(layer.outputs[0]!, input);
      const [low, high] = [Math.max(narrowed.low, layer.low), Math.min(narrowed.high, layer.high)];
      roundings.set(input, { ...narrowed, low, high });
      continue;
    }
    const all = reading.get(given)!;
    const alone = given !== network.output && all.every((reader) => isRounding(reader) && alike(reader, layer));
    if (!again && (!alone || roundings.has(input))) continue;
    taken.add(layer);
    names.set(layer.outputs[0]!, input);
    if (!again) roundings.set(input, layer);
  }
  const layers = network.layers.filter((layer) => !taken.has(layer));
  return renamed({ ...network, layers, roundings }, names);
}

/** Writes the noted roundings behind the tensors that are still there; what has become part of one layer is rounded at its end. */
export function restoreRoundings({ roundings, ...network }: Network): Network {
  if (!roundings || roundings.size === 0) return network;
  const shapes = new Map(network.shapes);
  const names = new Map<TensorId, TensorId>();
  let next = network.nextId;
  const behind = (ids: readonly TensorId[]): Layer[] =>
    ids.flatMap((id) => {
      const rounding = roundings.get(id);
      if (!rounding) return [];
      const rounded = next++;
      shapes.set(rounded, shapes.get(id)!);
      names.set(id, rounded);
      return [{ ...rounding, inputs: [id], outputs: [rounded] }];
    });
  const named = (id: TensorId): TensorId => names.get(id) ?? id;
  const layers = behind([network.input]);
  for (const layer of network.layers)
    layers.push({ ...layer, inputs: layer.inputs.map(named) }, ...behind(layer.outputs));
  return { ...network, layers, shapes, output: named(network.output), nextId: next };
}
