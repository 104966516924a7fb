import { type LayerTranslation, number } from "./layer.js";

const Multiply: LayerTranslation = ({ graph, inputs }) => inputs.reduce((a, b) => graph.one("Mul", [a, b]));

const Average: LayerTranslation = ({ graph, inputs }) =>
  graph.one("Mul", [graph.one("Sum", inputs), graph.number(1 / inputs.length)]);

/** Layers of several inputs. */
export const MERGES: Record<string, LayerTranslation> = {
  Add: ({ graph, inputs }) => (inputs.length === 1 ? inputs[0]! : graph.one("Sum", inputs)),
  Average,
  Concatenate: ({ graph, config, inputs }) => graph.one("Concat", inputs, { axis: number(config, "axis", -1) }),
  Maximum: ({ graph, inputs }) => graph.one("Max", inputs),
  Minimum: ({ graph, inputs }) => graph.one("Min", inputs),
  Multiply,
  Subtract: ({ graph, inputs }) => graph.one("Sub", inputs),
};
