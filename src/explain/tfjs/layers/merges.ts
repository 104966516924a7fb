import { type LayerTranslation, number } from "./layer.js";
import { binary, operands } from "./operations.js";

const Multiply: LayerTranslation = (call) => operands(call).reduce((a, b) => call.graph.one("Mul", [a, b]));

const Add: LayerTranslation = (call) => {
  const terms = operands(call);
  return terms.length === 1 ? terms[0]! : call.graph.one(terms.length === 2 ? "Add" : "Sum", terms);
};

const Average: LayerTranslation = ({ graph, inputs }) =>
  graph.one("Mul", [graph.one("Sum", inputs), graph.number(1 / inputs.length)]);

/** Layers of several inputs. */
export const MERGES: Record<string, LayerTranslation> = {
  Add,
  Average,
  Concatenate: ({ graph, config, inputs }) => graph.one("Concat", inputs, { axis: number(config, "axis", -1) }),
  Maximum: ({ graph, inputs }) => graph.one("Max", inputs),
  Minimum: ({ graph, inputs }) => graph.one("Min", inputs),
  Multiply,
  Subtract: binary("Sub"),
  Divide: binary("Div"),
  TrueDivide: binary("Div"),
};
