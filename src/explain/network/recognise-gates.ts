import { ModelError } from "../../errors.js";
import { type Layer, makers, type Network, type TensorId } from "./network.js";

const GATE_OPERATORS = new Set(["Sigmoid", "HardSigmoid"]);
type Makers = ReadonlyMap<TensorId, Layer>;

/** How a factor is known as the gate, surest first. */
const SIGNS: readonly ((id: TensorId, made: Makers) => boolean)[] = [endsInGate, endsInUnscaledGate];

/** Tells the gate of each product from its signal: the factor that ends in a sigmoid, hard-sigmoid or softmax. */
export function recogniseGates(network: Network): Network {
  const made = makers(network);
  const layers = network.layers.map((layer): Layer => {
    if (layer.kind !== "multiply") return layer;
    const [a, b] = layer.inputs as [TensorId, TensorId];
    for (const isGate of SIGNS) {
      const [first, second] = [isGate(a, made), isGate(b, made)];
      if (first !== second) return { ...layer, kind: "gate", inputs: second ? [a, b] : [b, a] };
      if (first) throw unclear(layer, "both end");
    }
    throw unclear(layer, "neither ends");
  });
  return { ...network, layers };
}

const unclear = (layer: Layer, which: string): ModelError =>
  new ModelError(
    "model-unsupported",
    `node "${layer.name}" (operator ${layer.operator}) cannot be explained: it multiplies two tensors, and ${which} in a sigmoid, hard-sigmoid or softmax that would mark the gate.`,
  );

const MOVES = new Set<Layer["kind"]>(["reshape", "transpose", "split", "slice", "pad", "concat"]);

function endsInGate(id: TensorId, made: Makers): boolean {
  const layer = made.get(id);
  if (!layer) return false;
  if (layer.kind === "softmax") return true;
  if (MOVES.has(layer.kind)) return layer.inputs.every((input) => endsInGate(input, made));
  if (layer.kind === "activation" && GATE_OPERATORS.has(layer.steps.at(-1)!.op)) return true;
  // Hard-sigmoid spelled out, clip(x + 3, 0, 6) / 6: what counts is that it ends at 0 and 1.
  if (layer.kind === "scale" && !layer.shift && layer.factor?.data.length === 1)
    return Math.abs(clippedAt(layer.inputs[0]!, made) * layer.factor.data[0]! - 1) < 1e-5;
  return clippedAt(id, made) === 1;
}

/** `signal · clip(x + 3, 0, 6)`, divided by 6 afterwards or by the next layer's weights. */
function endsInUnscaledGate(id: TensorId, made: Makers): boolean {
  const layer = made.get(id);
  if (layer && MOVES.has(layer.kind)) return layer.inputs.every((input) => endsInUnscaledGate(input, made));
  const before = layer && made.get(layer.inputs[0]!);
  return !Number.isNaN(clippedAt(id, made)) && before?.kind === "scale" && before.shift?.data.length === 1;
}

/** The upper end of a clip that begins at 0; NaN for anything else. */
function clippedAt(id: TensorId, made: Makers): number {
  const layer = made.get(id);
  const last = layer?.kind === "activation" ? layer.steps.at(-1)! : undefined;
  return last?.op === "Clip" && last.attributes.min === 0 ? (last.attributes.max ?? Number.NaN) : Number.NaN;
}
