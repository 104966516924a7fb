import { ModelError } from "../../errors.js";
import { type Layer, makers, type Network, type TensorId, withoutDead } from "./network.js";

/** Functions that neither rise nor fall all the way are known only inside an activation or a norm. */
const PARTS = new Set(["Reciprocal", "Abs", "Sin", "Cos"]);

/**
 * Refuses what relevance would have to cross and no rule says how; what only a gate or a statistic is made of may be anything.
 * @throws ModelError
 */
export function refuseParts(network: Network): Network {
  for (const layer of crossed(network)) refuse(layer, reasonAgainst(layer));
  // Of a softmax only the plain one is emitted, wherever it stands.
  for (const layer of withoutDead(network).layers)
    if (layer.kind === "softmax" && layer.log) refuse(layer, "a log-softmax can only stand at the end of a classifier");
  return network;
}

function refuse({ name, operator }: Layer, reason: string | undefined): void {
  if (reason !== undefined)
    throw new ModelError("model-unsupported", `node "${name}" (operator ${operator}) cannot be explained: ${reason}`);
}

function reasonAgainst(layer: Layer): string | undefined {
  if (layer.kind === "pair")
    return `it takes the ${layer.op === "Max" ? "larger" : "smaller"} of two tensors that both depend on the picture, and is part of no activation that is known`;
  if (layer.kind === "activation" && layer.steps.length === 1 && PARTS.has(layer.steps[0]!.op))
    return "it stands alone, and only as a part of a known activation or norm can relevance cross it";
  return undefined;
}

/** Kinds whose further inputs only say how much of the first one counts. */
const FIRST_ALONE = new Set<Layer["kind"]>(["gate", "normalised", "attention"]);

/** The layers that relevance has to cross, the last one first. */
function crossed(network: Network): Layer[] {
  const made = makers(network);
  const seen = new Set<Layer>();
  const open: TensorId[] = [network.output];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const layer = made.get(id);
    if (!layer || seen.has(layer)) continue;
    seen.add(layer);
    open.push(...(FIRST_ALONE.has(layer.kind) ? layer.inputs.slice(0, 1) : layer.inputs));
  }
  return [...seen];
}
