import { describe, expect, it } from "vitest";
import { ModelError } from "../../../src/errors.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";
import { classifier, ints, node, patched, ramp } from "./messages.js";

const refusal = (model: Uint8Array): string => {
  try {
    canonicalise(importOnnx(model));
  } catch (error) {
    expect(error).toBeInstanceOf(ModelError);
    return (error as Error).message;
  }
  throw new Error("the model was accepted");
};

type Case = [what: string, nodes: NodeInput[], constants: Record<string, InitializerInput>, reason: string];

const CASES: Case[] = [
  ["an operator without a rule", [node("LpNormalization", ["image"], ["y"])], {}, "no rule says"],
  ["an operator named like a function of every object", [node("constructor", ["image"], ["y"])], {}, "no rule says"],
  [
    "a softmax over a batch that was moved",
    [node("Transpose", ["image"], ["t"], { perm: [1, 0, 2, 3] }), node("Softmax", ["t"], ["y"], { axis: 1 })],
    {},
    "works across the batch",
  ],
  [
    "a mean over the parts of all frames",
    [node("Reshape", ["image", "s"], ["r"]), node("ReduceMean", ["r", "zero"], ["y"])],
    { s: ints(-1, 6, 6), zero: ints(0) },
    "works across the frames of a batch",
  ],
  [
    "a pool where the batch stands elsewhere",
    [
      node("Transpose", ["image"], ["t"], { perm: [1, 0, 2, 3] }),
      node("MaxPool", ["t"], ["y"], { kernel_shape: [2, 2] }),
    ],
    {},
    "its input has the batch on axis 1",
  ],
  [
    "a pool over parts of frames",
    [node("Reshape", ["image", "s"], ["r"]), node("MaxPool", ["r"], ["y"], { kernel_shape: [2, 2] })],
    { s: ints(-1, 1, 6, 6) },
    "its input holds 3 parts of each frame along the batch",
  ],
  [
    "a matrix product across the batch",
    [node("Flatten", ["image"], ["f"]), node("Transpose", ["f"], ["t"]), node("MatMul", ["f", "t"], ["y"])],
    {},
    "do not fit each other",
  ],
  [
    "a reshape that cuts within what stands before the batch",
    [node("Transpose", ["image"], ["t"], { perm: [1, 0, 2, 3] }), node("Reshape", ["t", "s"], ["y"])],
    { s: ints(2, -1, 36) },
    "mixes the batch",
  ],
  [
    "a reshape that fixes the batch",
    [node("Reshape", ["image", "s"], ["y"])],
    { s: ints(16, 3, 6, 6) },
    "fixes the batch to 16 frames",
  ],
  ["a reshape that does not fit", [node("Reshape", ["image", "s"], ["y"])], { s: ints(0, 5, 7) }, "mixes the batch"],
  [
    "a reshape to what the model computes",
    [node("Reshape", ["image", "image"], ["y"])],
    {},
    "computed while the model runs",
  ],
  ["a join along the batch", [node("Concat", ["image", "image"], ["y"], { axis: 0 })], {}, "along the batch"],
  [
    "a part of the batch",
    [node("Slice", ["image", "zero", "one", "zero"], ["y"])],
    { zero: ints(0), one: ints(1) },
    "slices the batch",
  ],
  [
    "a mean over the batch",
    [node("ReduceMean", ["image", "zero"], ["y"])],
    { zero: ints(0) },
    "works across the frames of a batch",
  ],
  [
    "the larger of two tensors",
    [node("Conv", ["image", "w"], ["a"]), node("Max", ["image", "a"], ["y"])],
    { w: ramp(3, 3, 1, 1) },
    "takes the larger of two tensors",
  ],
  ["an absolute value that stands alone", [node("Abs", ["image"], ["y"])], {}, "stands alone"],
  [
    "a log-softmax before other layers",
    [node("LogSoftmax", ["image"], ["y"], { axis: 1 })],
    {},
    "only stand at the end",
  ],
  ["frames of the batch", [node("Gather", ["image", "i"], ["y"])], { i: ints(0) }, "picks frames of the batch"],
  [
    "an element that does not exist",
    [node("Gather", ["image", "i"], ["y"], { axis: 2 })],
    { i: ints(1, 7) },
    "takes element 7 of an axis of 6",
  ],
  [
    "a padding that nobody knows",
    [node("Pad", ["image", "p"], ["y"], { mode: "mirror" })],
    { p: ints(0, 0, 1, 1, 0, 0, 1, 1) },
    'mode "mirror"',
  ],
  [
    "cubic interpolation",
    [node("Resize", ["image", "", "s"], ["y"], { mode: "cubic" })],
    { s: { dims: [4], data: [1, 1, 2, 2] } },
    "mode is cubic",
  ],
  [
    "tensors that do not fit each other",
    [node("Transpose", ["image"], ["t"], { perm: [0, 2, 3, 1] }), node("Add", ["image", "t"], ["y"])],
    {},
    "do not fit each other",
  ],
  [
    "a layer norm over the batch",
    [node("LayerNormalization", ["image", "g"], ["y"], { axis: 0 })],
    { g: ramp(3, 6, 6) },
    "normalises over the batch",
  ],
  ["rounding to integers", [node("Cast", ["image"], ["y"], { to: 7 })], {}, "rounds values"],
  [
    "a kernel that the model computes",
    [node("Conv", ["image", "image"], ["y"])],
    {},
    "kernel is computed while the model runs",
  ],
  [
    "a kernel that does not fit",
    [node("Conv", ["image", "w"], ["y"])],
    { w: ramp(4, 2, 3, 3) },
    "does not fit an input of 3 channels",
  ],
  ["indices of a max pool", [node("MaxPool", ["image"], ["y", "i"], { kernel_shape: [2, 2] })], {}, "indices output"],
  [
    "a constant that differs between frames",
    [node("Mul", ["image", "c"], ["y"])],
    { c: ramp(2, 3, 6, 6) },
    "differs between the frames",
  ],
  [
    "batch norm in training mode",
    [node("BatchNormalization", ["image", "g", "g", "g", "g"], ["y"], { training_mode: 1 })],
    { g: ramp(3) },
    "training mode",
  ],
  ["a tensor that no node makes", [node("Relu", ["nothing"], ["y"])], {}, 'input "nothing" is not made'],
  ["a pool over nothing", [node("MaxPool", ["image"], ["y"], { kernel_shape: [9, 9] })], {}, "leaves nothing"],
  ["an axis that does not exist", [node("Concat", ["image", "image"], ["y"], { axis: 7 })], {}, "names axis 7"],
];

describe("what cannot be explained is refused by node and operator", () => {
  it.each(CASES)("%s", (_what, nodes, constants, reason) => {
    const message = refusal(classifier(nodes, constants));
    const { op } = nodes.at(-1)!;
    expect(message).toContain(`node "the ${op}" (operator ${op}) cannot be explained: `);
    expect(message).toContain(reason);
    expect(message).toMatch(/^[^\n]*[^.]$/);
  });

  it("an operator of another operator set, even where its name is known", () => {
    const model = patched(classifier([node("Relu", ["image"], ["y"])]), (m) => {
      m.graph.node[0].domain = "com.microsoft";
    });
    expect(refusal(model)).toBe(
      'node "the Relu" (operator Relu) cannot be explained: it comes from the operator set "com.microsoft", and only the standard ONNX operators are known',
    );
  });

  it("a node without a name, by its output", () => {
    const model = patched(classifier([node("Det", ["image"], ["y"])]), (m) => {
      m.graph.node[0].name = "";
    });
    expect(refusal(model)).toContain('node "y" (operator Det)');
  });

  it("the statistics of an old batch norm in training mode", () => {
    const bn = node("BatchNormalization", ["image", "g", "g", "g", "g"], ["y", "m", "v"]);
    expect(refusal(classifier([bn], { g: ramp(3) }, { opset: 9 }))).toContain("training mode");
  });

  it("a log-softmax that a gate is made of", () => {
    const gate = [node("LogSoftmax", ["image"], ["l"], { axis: 1 }), node("Sigmoid", ["l"], ["g"])];
    expect(refusal(classifier([...gate, node("Mul", ["image", "g"], ["y"])]))).toContain(
      'node "the LogSoftmax" (operator LogSoftmax) cannot be explained: a log-softmax can only stand',
    );
  });

  it("a softmax over several axes at once, as opset 12 means it", () => {
    const soft = [node("Softmax", ["image"], ["y"], { axis: 1 })];
    expect(refusal(classifier(soft, {}, { opset: 12 }))).toContain("over several axes at once");
  });
});

describe("files that are no classifier of pictures are refused", () => {
  const plain = classifier([node("Relu", ["image"], ["y"])]);
  const change = (what: (m: Parameters<Parameters<typeof patched>[1]>[0]) => void): string =>
    refusal(patched(plain, what));

  it("with a text as input", () => {
    const message = change((m) => {
      m.graph.input[0].type.tensorType.elemType = 8;
    });
    expect(message).toBe(
      'the model\'s input "image" is string, and numbers are needed; export it with a float32 input',
    );
  });

  it("with several inputs", () => {
    const message = change((m) => {
      m.graph.input.push({ ...m.graph.input[0], name: "mask" });
    });
    expect(message).toContain("2 inputs (image, mask)");
  });

  it("but an input that is a weight too, as old files list them, is none", () => {
    const old = patched(plain, (m) => {
      m.graph.input.push({ ...m.graph.input[0], name: "head" });
    });
    const { shapes, input } = importOnnx(old);
    expect(shapes.get(input)).toEqual([-1, 3, 6, 6]);
  });

  it.each([6, 0, 99])("of opset %d", (opset) => {
    const message = change((m) => {
      m.opsetImport[0].version = opset;
    });
    expect(message).toBe(
      `the model uses ONNX opset ${opset || "none"}, and 7 to 23 are known; export it with opset 18`,
    );
  });

  it("whose output is a picture", () => {
    const model = buildModel({
      inputs: [{ name: "image", dims: ["N", 3, 6, 6] }],
      nodes: [node("Relu", ["image"], ["y"])],
      outputs: ["y"],
    });
    expect(refusal(model)).toContain("one row of class scores a frame");
  });

  it("whose output does not depend on the picture", () => {
    const message = change((m) => {
      m.graph.output[0].name = "head";
    });
    expect(message).toContain('output "head" does not depend on its input "image"');
  });

  it("which leave their size open", () => {
    const message = change((m) => {
      m.graph.input[0].type.tensorType.shape.dim[2] = { dimParam: "height" };
    });
    expect(message).toContain("leaves its size open ([N, 3, ?, 6]); give input width and height in its card");
  });

  it("which keep their weights in another file that is not given", () => {
    const message = change((m) => {
      const head = m.graph.initializer[0];
      head.dataLocation = 1;
      head.externalData = [{ key: "location", value: "weights.bin" }];
    });
    expect(message).toContain('in another file, "weights.bin"');
  });

  it.each([
    ["nothing", ""],
    ["text", "a text file, not a model\n"],
  ])("which hold %s", (_what, text) => {
    expect(refusal(new TextEncoder().encode(text))).toMatch(/is not an ONNX file or is damaged/);
  });
});

describe("what the scores do not depend on is left alone", () => {
  it("a further output of an operator that cannot be explained", () => {
    const model = patched(
      classifier([node("Relu", ["image"], ["y"]), node("LpNormalization", ["y"], ["extra"])]),
      (m) => {
        m.graph.output.push({ ...m.graph.output[0], name: "extra" });
      },
    );
    expect(importOnnx(model).layers.map((l) => l.operator)).toEqual(["Relu", "GlobalAveragePool", "Flatten", "Gemm"]);
  });
});
