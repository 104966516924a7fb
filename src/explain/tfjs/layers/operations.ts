import type { Name } from "../onnx-graph.js";
import { type Config, type LayerCall, type LayerTranslation, text } from "./layer.js";

/** The number among an operation's arguments, where the other operand is one. */
function constantOf({ config }: LayerCall): number | undefined {
  const kwargs = (config.kwargs ?? {}) as Config;
  const args = Array.isArray(kwargs.args) ? kwargs.args : [];
  return [kwargs.y, kwargs.x, kwargs.x2, kwargs.x1, ...args].find((v): v is number => typeof v === "number");
}

const binary = (op: string): LayerTranslation => {
  return (call) => {
    const { graph, inputs } = call;
    if (inputs.length === 2) return graph.one(op, inputs);
    const value = constantOf(call);
    if (value === undefined) return graph.refuse("its second operand is neither a tensor nor a number");
    return graph.one(op, [inputs[0]!, graph.number(value)]);
  };
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
