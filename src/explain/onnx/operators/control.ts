import type { Importer, Node, OperatorImport } from "../importer.js";

const refuse: OperatorImport = (importer: Importer, node: Node) =>
  importer.refuse(node, "it repeats a part of the network, and relevance crosses what is written out only");

/** Loops, whatever they go over. */
export const loopOperators: Record<string, OperatorImport> = { Loop: refuse, Scan: refuse, SequenceMap: refuse };
