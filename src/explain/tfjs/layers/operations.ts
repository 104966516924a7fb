import type { Name } from "../../tensorflow/onnx-graph.js";
import { type Config, type LayerCall, type LayerTranslation, text } from "./layer.js";

/**
 * The operands of a call in order, numbers among them: Keras 3 writes `x + 3` as a layer Add of a tensor and a number, Keras 2 as a
 * function with the number among its keywords.
 */
export function operands({ graph, config, inputs }: LayerCall): Name[] {
  const { args = [], ...named } = (config.kwargs ?? {}) as Config;
  const given = [...(args as unknown[]).flat(), named.x, named.x1, named.y, named.x2].filter((v) => v !== undefined);
  const numbers = given.filter((v) => typeof v === "number");
  if (numbers.length === 0) return [...inputs];
  const startsWithNumber = typeof given[0] === "number" && given.length > numbers.length;
  const constants = numbers.map((v) => graph.number(v));
  return startsWithNumber ? [...constants, ...inputs] : [...inputs, ...constants];
}

/** An operation of two operands. */
export const binary =
  (op: string): LayerTranslation =>
  (call) => {
    const both = operands(call);
    if (both.length !== 2) call.graph.refuse("its second operand is neither a tensor nor a number");
    return call.graph.one(op, both);
  };
const relu6: LayerTranslation = ({ graph, inputs }): Name =>
  graph.one("Clip", [inputs[0]!, graph.number(0), graph.number(6)]);

/** Functions of TensorFlow that functional models of Keras 2 call directly. */
const FUNCTIONS: Record<string, LayerTranslation> = {
  "__operators__.add": binary("Add"),
  "math.add": binary("Add"),
  "math.multiply": binary("Mul"),
  "math.subtract": binary("Sub"),
  "math.truediv": binary("Div"),
  "nn.relu": ({ graph, inputs }) => graph.one("Relu", inputs),
  "nn.relu6": relu6,
  "nn.sigmoid": ({ graph, inputs }) => graph.one("Sigmoid", inputs),
  "nn.silu": ({ graph, inputs }) => graph.one("Mul", [inputs[0]!, graph.one("Sigmoid", inputs)]),
};

const TFOpLambda: LayerTranslation = (call) => {
  const name = text(call.config, "function", "");
  const fn = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  return fn ? fn(call) : call.graph.refuse(`it calls TensorFlow's function "${name}", which is not known`);
};

/** Operations that stand where layers do. */
export const LAMBDAS: Record<string, LayerTranslation> = { TFOpLambda };
