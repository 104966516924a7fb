import { ModelProto } from "../../../src/explain/proto/onnx.js";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";

/** An ONNX message as plain fields, for tests that need what the small writer does not write. */
// biome-ignore lint/suspicious/noExplicitAny: the fields of a foreign format, changed at will
export type Message = any;

/** Changes the fields of a model file. */
export function patched(model: Uint8Array, change: (message: Message) => void): Uint8Array {
  const message: Message = ModelProto.toObject(ModelProto.decode(model), { longs: Number });
  change(message);
  return ModelProto.encode(ModelProto.fromObject(message)).finish();
}

export const ramp = (...dims: number[]): InitializerInput => ({
  dims,
  data: Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, k) => Math.sin(1 + k * 1.7)),
});
export const ints = (...data: number[]): InitializerInput => ({ dims: [data.length], data, type: "int64" });

export const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: NodeInput["attributes"] = {},
): NodeInput => ({ op, name: `the ${op}`, inputs, outputs, attributes });

/** A picture of 3 × 6 × 6, `nodes` from "image" to "y", and a head of four classes on any picture. */
export function classifier(
  nodes: NodeInput[],
  initializers: Record<string, InitializerInput> = {},
  { channels = 3, opset = 18, y = "y", batch = "N" as string | number } = {},
): Uint8Array {
  const all = [
    ...nodes,
    node("GlobalAveragePool", [y], ["pooled"]),
    node("Flatten", ["pooled"], ["flat"]),
    node("Gemm", ["flat", "head"], ["scores"]),
  ];
  const isSecond = (n: NodeInput): boolean => all.find((m) => m.name === n.name) !== n;
  return buildModel({
    inputs: [{ name: "image", dims: [batch, 3, 6, 6] }],
    nodes: all.map((n) => (isSecond(n) ? { ...n, name: `${n.name} ${n.outputs[0]}` } : n)),
    initializers: { head: ramp(channels, 4), ...initializers },
    outputs: ["scores"],
    opset,
  });
}
