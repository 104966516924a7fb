import { ModelError } from "../../errors.js";
import { recordOf } from "../layers/registry.js";
import type { Scope } from "../layers/scope.js";
import type { Layer, TensorId } from "../network/network.js";
import type { Value } from "../program/emitter.js";

/** What a layer sends to its inputs, those that get nothing left out. */
export type Sent<M> = readonly (readonly [to: TensorId, message: M])[];

/** How one method goes back through a network. `M` is what it sends from a layer to the tensors that the layer reads. */
export interface Method<M> {
  /**
   * Adds up what arrived at one tensor, at least one message, in the order in which it was sent.
   * @param alone whether nothing else is under way: then no other branch depends on the message's scale
   */
  sum(at: TensorId, arrived: readonly M[], alone: boolean): M;
  /**
   * Takes messages from the outputs of a layer that only moves elements to its inputs.
   * @param parts what left each output, at least one of them
   * @param back the same of the values that messages hold
   */
  reindex(
    layer: Layer,
    parts: readonly (M | undefined)[],
    back: (parts: readonly (Value | undefined)[]) => Value[],
  ): M[];
  /**
   * Crosses any other layer.
   * @param message what left its first output
   * @returns undefined where the method knows no way across
   */
  cross(layer: Layer, message: M, alone: boolean): Sent<M> | undefined;
  /** The refusal of a layer that it knows no way across. */
  refusal(layer: Layer): ModelError;
}

/**
 * Walks from the scores back to the picture by one method: every layer once, last one first, when all has arrived that its readers
 * send. Several starts are several walks in one scope: what they emit alike the emitter keeps once.
 * @param start what leaves the network's output
 * @returns what arrives at the network's input
 * @throws ModelError at a layer that the method does not cross
 */
export function walkBack<M>(scope: Scope, method: Method<M>, start: M): M {
  const { network } = scope;
  const pending = new Map<TensorId, M[]>([[network.output, [start]]]);
  const send = (to: TensorId, message: M): void => {
    const list = pending.get(to);
    if (list) list.push(message);
    else pending.set(to, [message]);
  };
  const receive = (tensors: readonly TensorId[]): { parts: (M | undefined)[]; alone: boolean } => {
    const lists = tensors.map((id) => pending.get(id));
    for (const id of tensors) pending.delete(id);
    const alone = pending.size === 0 && lists.filter((list) => list).length === 1;
    return { parts: lists.map((list, k) => list && method.sum(tensors[k]!, list, alone)), alone };
  };
  for (const layer of network.layers.toReversed()) {
    const { parts, alone } = receive(layer.outputs);
    const [first] = parts;
    const record = recordOf(layer);
    if (record.family === "reindexing") {
      if (parts.every((part) => part === undefined)) continue;
      const messages = method.reindex(layer, parts, (values) => record.back(scope, layer, values));
      messages.forEach((message, k) => {
        send(layer.inputs[k]!, message);
      });
    } else if (first !== undefined) {
      const sent = method.cross(layer, first, alone);
      if (!sent) throw method.refusal(layer);
      for (const [to, message] of sent) send(to, message);
    }
  }
  const [arrived] = receive([network.input]).parts;
  if (arrived === undefined)
    throw new ModelError("model-unsupported", "no layer carries relevance from the scores to the picture");
  return arrived;
}

/** What methods do whose messages are values with the dims of their tensor, and no more. */
export const plainValues = ({ e }: Scope): Pick<Method<Value>, "sum" | "reindex"> => ({
  sum: (_, arrived) => arrived.reduce(e.add),
  reindex: (_, parts, back) => back(parts),
});
