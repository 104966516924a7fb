import type { AttributeProto, NodeProto } from "./onnx.js";

const attributeOf = (node: NodeProto, name: string): AttributeProto | undefined =>
  node.attribute?.find((a) => a.name === name);

/** A whole number; `fallback` where the node has none. */
export const intOf = (node: NodeProto, name: string, fallback: number): number => {
  const a = attributeOf(node, name);
  return a ? (a.i ?? 0) : fallback;
};

/** Whole numbers; undefined where the node has none. */
export const intsOf = (node: NodeProto, name: string): number[] | undefined => attributeOf(node, name)?.ints;

/** Text; empty where the node has none. */
export const textOf = (node: NodeProto, name: string): string =>
  new TextDecoder().decode(attributeOf(node, name)?.s ?? new Uint8Array());
