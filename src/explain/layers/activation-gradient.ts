import { ModelError } from "../../errors.js";
import type { ActivationLayer, ElementStep } from "../network/network.js";
import type { Emitter, Value } from "../program/emitter.js";
import { activationSteps } from "./activation-steps.js";
import type { Scope } from "./scope.js";

/** One step seen from its derivative: its first operand, its result, its attributes. */
interface At {
  e: Emitter;
  x: Value;
  y: Value;
  attributes: Record<string, number>;
}

const one = (e: Emitter): Value => e.number(1);
const above = ({ e, x }: At, bound: number): Value => e.cast(e.op("Greater", [x, e.number(bound)]), "float32");
const below = ({ e, x }: At, bound: number): Value => e.cast(e.less(x, e.number(bound)), "float32");
const positiveElse = (at: At, otherwise: Value, slope = one(at.e)): Value =>
  at.e.where(at.e.op("Greater", [at.x, at.e.number(0)]), slope, otherwise);
const square = (e: Emitter, v: Value): Value => e.mul(v, v);

/** `dy/dx` of the one-to-one operators; at a kink, the slope that frameworks take. */
const SLOPES: Record<string, (at: At) => Value> = {
  Relu: (at) => above(at, 0),
  Sigmoid: ({ e, y }) => e.mul(y, e.sub(one(e), y)),
  Tanh: ({ e, y }) => e.sub(one(e), square(e, y)),
  Erf: ({ e, x }) => e.mul(e.op("Exp", [e.op("Neg", [square(e, x)])]), e.number(2 / Math.sqrt(Math.PI))),
  Softplus: ({ e, x }) => e.op("Sigmoid", [x]),
  Softsign: ({ e, x }) => e.div(one(e), square(e, e.add(e.abs(x), one(e)))),
  HardSwish: ({ e, x }) =>
    e.where(
      e.less(x, e.number(-3)),
      e.number(0),
      e.where(e.op("Greater", [x, e.number(3)]), one(e), e.add(e.mul(x, e.number(1 / 3)), e.number(0.5))),
    ),
  Mish: ({ e, x }) => {
    const t = e.op("Tanh", [e.op("Softplus", [x])]);
    return e.add(t, e.mul(e.mul(x, e.op("Sigmoid", [x])), e.sub(one(e), square(e, t))));
  },
  Sqrt: ({ e, y }) => e.div(e.number(0.5), y),
  Exp: ({ y }) => y,
  Log: ({ e, x }) => e.div(one(e), x),
  Abs: ({ e, x }) => e.sign(x),
  Reciprocal: ({ e, y }) => e.op("Neg", [square(e, y)]),
  Elu: (at) => positiveElse(at, at.e.add(at.y, at.e.number(at.attributes.alpha!))),
  Celu: (at) => positiveElse(at, at.e.op("Exp", [at.e.div(at.x, at.e.number(at.attributes.alpha!))])),
  Selu: (at) => {
    const { alpha, gamma } = at.attributes as { alpha: number; gamma: number };
    return positiveElse(at, at.e.add(at.y, at.e.number(alpha * gamma)), at.e.number(gamma));
  },
  LeakyRelu: (at) => positiveElse(at, at.e.number(at.attributes.alpha!)),
  ThresholdedRelu: (at) => above(at, at.attributes.alpha!),
  HardSigmoid: ({ e, y, attributes }) =>
    e.mul(
      e.mul(above({ e, x: y, y, attributes }, 0), below({ e, x: y, y, attributes }, 1)),
      e.number(attributes.alpha!),
    ),
  Clip: (at) => {
    const { min, max } = at.attributes;
    const inside = [...(min === undefined ? [] : [above(at, min)]), ...(max === undefined ? [] : [below(at, max)])];
    return inside.length === 0 ? one(at.e) : inside.reduce(at.e.mul);
  },
};

/** The gradient at an activation's input from that at its output: back through its steps. */
export function activationGradient(scope: Scope, layer: ActivationLayer, gradient: Value): Value {
  const { e } = scope;
  const values = activationSteps(scope, layer);
  const arriving = new Map<number, Value>([[layer.steps.length, gradient]]);
  const send = (to: number, g: Value): void => {
    const there = arriving.get(to);
    arriving.set(to, there === undefined ? g : e.add(there, g));
  };
  for (let k = layer.steps.length; k >= 1; k--) {
    const g = arriving.get(k);
    if (g === undefined) continue;
    const step = layer.steps[k - 1]!;
    const operands = step.operands.map((o) => (typeof o === "number" ? values[o]! : e.weights(o)));
    const slopes = slopesOf(e, step, operands, values[k]!, layer);
    step.operands.forEach((o, at) => {
      const slope = slopes[at];
      if (typeof o === "number") send(o, slope === undefined ? g : e.mul(g, slope));
    });
  }
  return arriving.get(0)!;
}

/** The derivative of a step by each operand; undefined stands for 1. */
function slopesOf(
  e: Emitter,
  step: ElementStep,
  operands: readonly Value[],
  y: Value,
  layer: ActivationLayer,
): (Value | undefined)[] {
  const [a, b] = operands as [Value, Value];
  if (step.op === "Add") return operands.map(() => undefined);
  if (step.op === "Sub") return [undefined, e.number(-1)];
  if (step.op === "Mul") return [b, a];
  if (step.op === "Div") return [e.div(one(e), b), e.op("Neg", [e.div(y, b)])];
  if (step.op === "Max" || step.op === "Min") {
    // Of two equal ones the first takes the slope.
    const first = e.cast(e.op(step.op === "Max" ? "GreaterOrEqual" : "LessOrEqual", [a, b]), "float32");
    return [first, e.sub(one(e), first)];
  }
  if (step.op === "PRelu") return [e.where(e.less(a, e.number(0)), b, one(e))];
  if (step.op === "Pow") return [e.mul(e.op("Pow", [a, e.sub(b, one(e))]), b)];
  const slope = SLOPES[step.op];
  if (!slope)
    throw new ModelError(
      "model-unsupported",
      `node "${layer.name}" (operator ${step.op}) has no derivative here, which gradient-x-input needs; use another method`,
    );
  return [slope({ e, x: a, y, attributes: step.attributes })];
}
