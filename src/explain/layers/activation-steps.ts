import type { ActivationLayer, ElementStep } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Attribute } from "../program/program.js";
import { type Scope, tensorValue } from "./scope.js";

/** The input of a one-to-one function and the result of each step. */
export function activationSteps(scope: Scope, layer: ActivationLayer): Value[] {
  const { e } = scope;
  const values = [tensorValue(scope, layer.inputs[0]!)];
  for (const step of layer.steps)
    values.push(
      emitStep(
        scope,
        step,
        step.operands.map((o) => (typeof o === "number" ? values[o]! : e.weights(o))),
      ),
    );
  return values;
}

function emitStep({ e }: Scope, step: ElementStep, operands: Value[]): Value {
  if (step.op === "Clip") {
    const { min, max } = step.attributes;
    if (min === 0 && max === undefined) return e.relu(operands[0]!);
    return e.op("Clip", [
      operands[0]!,
      min === undefined ? "" : e.number(min),
      ...(max === undefined ? [] : [e.number(max)]),
    ]);
  }
  const attributes: Record<string, Attribute> = Object.fromEntries(
    Object.entries(step.attributes).map(([k, v]) => [k, { float: v }]),
  );
  return e.op(step.op, operands, attributes);
}
