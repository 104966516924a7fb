import type { Name } from "../../tensorflow/onnx-graph.js";
import { type Config, type LayerCall, type LayerTranslation, number } from "./layer.js";

type Function = (call: LayerCall, x: Name) => Name;
const plain =
  (op: string): Function =>
  ({ graph }, x) =>
    graph.one(op, [x]);

/** `x · sigmoid(x)`. */
const swish: Function = ({ graph }, x) => graph.one("Mul", [x, graph.one("Sigmoid", [x])]);
const clipped: Function = ({ graph }, x) => graph.one("Clip", [x, graph.number(0), graph.number(6)]);
/** Keras 3 has `relu6(x + 3) / 6`, Keras 2 and TensorFlow.js `clip(0.2 x + 0.5)`. */
const hardSigmoid: Function = ({ graph, keras3 }, x) =>
  graph.one("HardSigmoid", [x], { alpha: { float: keras3 ? 1 / 6 : 0.2 }, beta: { float: 0.5 } });
const hardSwish: Function = ({ graph }, x) => graph.one("HardSwish", [x]);
const leaky: Function = ({ graph }, x) => graph.one("LeakyRelu", [x], { alpha: { float: 0.2 } });

/** Activation functions by the names that Keras gives them; one line registers one. */
const FUNCTIONS: Record<string, Function> = {
  linear: (_, x) => x,
  relu: plain("Relu"),
  relu6: clipped,
  leaky_relu: leaky,
  elu: plain("Elu"),
  selu: plain("Selu"),
  celu: plain("Celu"),
  sigmoid: plain("Sigmoid"),
  hard_sigmoid: hardSigmoid,
  tanh: plain("Tanh"),
  hard_tanh: ({ graph }, x) => graph.one("Clip", [x, graph.number(-1), graph.number(1)]),
  softplus: plain("Softplus"),
  softsign: plain("Softsign"),
  exponential: plain("Exp"),
  swish,
  silu: swish,
  hard_swish: hardSwish,
  hard_silu: hardSwish,
  mish: plain("Mish"),
  gelu: plain("Gelu"),
  gelu_new: ({ graph }, x) => graph.one("Gelu", [x], { approximate: "tanh" }),
  softmax: ({ graph }, x) => graph.one("Softmax", [x], { axis: -1 }),
  log_softmax: ({ graph }, x) => graph.one("LogSoftmax", [x], { axis: -1 }),
};

/** The activation that a layer applies at its end, by name or as a serialised object. */
export function activated(call: LayerCall, x: Name, given: unknown = call.config.activation): Name {
  if (given === null || given === undefined) return x;
  if (typeof given === "object") {
    const { class_name: kind, config } = given as { class_name?: string; config?: unknown };
    if (typeof config === "string") return activated(call, x, config);
    const layer = kind !== undefined && Object.hasOwn(ACTIVATION_LAYERS, kind) ? ACTIVATION_LAYERS[kind] : undefined;
    if (layer) return layer({ ...call, kind: kind!, config: (config ?? {}) as Config, inputs: [x] });
    return call.graph.refuse(`its activation ${kind ?? "without a name"} is not known`);
  }
  const name = String(given);
  const fn = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (!fn) return call.graph.refuse(`its activation "${name}" is not known`);
  return fn(call, x);
}

const ReLU: LayerTranslation = ({ graph, config, inputs }) => {
  const [x] = inputs as [Name];
  const slope = number(config, "negative_slope", 0);
  const threshold = number(config, "threshold", 0);
  const most = typeof config.max_value === "number" ? config.max_value : undefined;
  if (threshold !== 0 && slope !== 0) graph.refuse("it has a threshold and a slope below it; one of them is known");
  const bent =
    threshold !== 0
      ? graph.one("ThresholdedRelu", [x], { alpha: { float: threshold } })
      : slope !== 0
        ? graph.one("LeakyRelu", [x], { alpha: { float: slope } })
        : graph.one("Clip", [x, graph.number(0), ...(most === undefined ? [] : [graph.number(most)])]);
  return most === undefined || (threshold === 0 && slope === 0)
    ? bent
    : graph.one("Clip", [bent, "", graph.number(most)]);
};

const LeakyReLU: LayerTranslation = ({ graph, config, inputs }) =>
  graph.one("LeakyRelu", [inputs[0]!], {
    alpha: { float: number(config, "negative_slope", number(config, "alpha", 0.3)) },
  });

const PReLU: LayerTranslation = (call) => {
  const alpha = call.weight("alpha");
  if (!alpha) return call.graph.refuse("its weights hold no alpha");
  return call.graph.one("PRelu", [call.inputs[0]!, call.graph.constant(alpha)]);
};

const Softmax: LayerTranslation = ({ graph, config, inputs }) =>
  graph.one("Softmax", [inputs[0]!], { axis: number(config, "axis", -1) });

/** Layers that are activations. */
export const ACTIVATION_LAYERS: Record<string, LayerTranslation> = {
  Activation: (call) => activated(call, call.inputs[0]!),
  ReLU,
  LeakyReLU,
  PReLU,
  Softmax,
  ELU: ({ graph, config, inputs }) => graph.one("Elu", [inputs[0]!], { alpha: { float: number(config, "alpha", 1) } }),
  ThresholdedReLU: ({ graph, config, inputs }) =>
    graph.one("ThresholdedRelu", [inputs[0]!], { alpha: { float: number(config, "theta", 1) } }),
};
