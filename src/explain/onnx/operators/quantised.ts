import type { Importer, Node, OperatorImport } from "../importer.js";

/** Rounded numbers in between have no relevance of their own; the file that was quantised has. */
const refuse: OperatorImport = (importer: Importer, node: Node) =>
  importer.refuse(node, "the model is quantised to integers; give the float32 file from before quantisation");

const OPERATORS =
  "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear";

/** What writes of quantised networks in the standard set of operators. */
export const quantisedOperators: Record<string, OperatorImport> = Object.fromEntries(
  OPERATORS.split(" ").map((op) => [op, refuse]),
);
