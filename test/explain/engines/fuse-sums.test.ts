import { describe, expect, it } from "vitest";
import { fuseSums } from "../../../src/explain/engines/fuse-sums.js";
import type { NodeProto } from "../../../src/explain/proto/onnx.js";

const conv: NodeProto = { opType: "Conv", domain: "com.microsoft.nchwc", input: ["x", "w", "b"], output: ["y"] };
const add: NodeProto = { opType: "Add", name: "sum", input: ["u", "y"], output: ["z"] };
const dims = (): number[] => [16, 4, 4];

describe("a blocked convolution whose result is added to another value", () => {
  it("adds to it itself", () => {
    const fused = { ...conv, name: "sum", input: ["x", "w", "b", "u"], output: ["z"] };
    expect(fuseSums([conv, add], new Set(), dims)).toEqual([fused]);
  });

  it.each<[string, NodeProto[], string[], (name: string) => number[] | undefined]>([
    ["where something else reads it", [conv, add, { opType: "Abs", input: ["y"], output: ["v"] }], [], dims],
    ["where it is an output", [conv, add], ["y"], dims],
    ["where the other is of other dims", [conv, add], [], (name) => (name === "u" ? [1, 1, 1] : dims())],
    ["where its dims are not known", [conv, add], [], () => undefined],
    ["where it cuts something off", [{ ...conv, attribute: [{ name: "activation" }] }, add], [], dims],
    ["where it adds something already", [{ ...conv, input: ["x", "w", "b", "t"] }, add], [], dims],
  ])("stays as it is %s", (_, nodes, outputs, dimsOf) => {
    expect(fuseSums(nodes, new Set(outputs), dimsOf)).toEqual(nodes);
  });
});
