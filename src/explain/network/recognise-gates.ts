import { ModelError } from "../../errors.js";
import { type Layer, makers, type Network, type TensorId } from "./network.js";

const GATE_OPERATORS = new Set(["Sigmoid", "HardSigmoid"]);

/** Tells the gate of each product from its signal: the factor that ends in a sigmoid, hard-sigmoid or softmax. */
export function recogniseGates(network: Network): Network {
  const made = makers(network);
  const layers = network.layers.map((layer): Layer => {
    if (layer.kind !== "multiply") return layer;
    const [a, b] = layer.inputs as [TensorId, TensorId];
    const gates = [endsInGate(a, made), endsInGate(b, made)];
    if (gates[0] === gates[1])
      throw new ModelError(
        "model-unsupported",
        `node "${layer.name}" (operator ${layer.operator}) cannot be explained: it multiplies two tensors, and ${gates[0] ? "both end" : "neither ends"} in a sigmoid, hard-sigmoid or softmax that would mark the gate.`,
      );
    return { ...layer, kind: "gate", inputs: gates[1] ? [a, b] : [b, a] };
  });
  return { ...network, layers };
}

function endsInGate(id: TensorId, made: Map<TensorId, Layer>): boolean {
  const layer = made.get(id);
  if (!layer) return false;
  if (layer.kind === "softmax") return true;
  if (layer.kind === "reshape" || layer.kind === "transpose" || layer.kind === "split" || layer.kind === "slice")
    return endsInGate(layer.inputs[0]!, made);
  if (layer.kind === "activation") {
    const last = layer.steps.at(-1)!;
    if (GATE_OPERATORS.has(last.op)) return true;
    // Hard-sigmoid spelled out: clip(x + 3, 0, 6) / 6 arrives as a clip between equal ends and a scale.
    return (
      last.op === "Clip" &&
      last.attributes.min === 0 &&
      last.attributes.max !== undefined &&
      hasShift(layer.inputs[0]!, made)
    );
  }
  return layer.kind === "scale" && !layer.shift && endsInGate(layer.inputs[0]!, made);
}

const hasShift = (id: TensorId, made: Map<TensorId, Layer>): boolean => {
  const layer = made.get(id);
  return layer?.kind === "scale" && layer.shift !== undefined;
};
