import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadModel } from "../../../src/explain/model/load.js";
import { type Message, node, patched, ramp } from "../onnx/messages.js";
import { buildModel, type NodeInput } from "../twin/onnx-writer.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "outputs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Features of 8 from a picture of 3 × 6 × 6; every head is a matrix of `heads` classes over them. */
function several(
  outputs: string[],
  heads: Record<string, number>,
  further: NodeInput[] = [],
  change: (message: Message) => void = () => {},
): string {
  const named = (n: NodeInput): NodeInput => ({ ...n, name: n.outputs[0]! });
  const model = buildModel({
    inputs: [{ name: "image", dims: ["N", 3, 6, 6] }],
    nodes: [
      node("Conv", ["image", "w"], ["c"]),
      node("GlobalAveragePool", ["c"], ["p"]),
      node("Flatten", ["p"], ["features"]),
      ...Object.keys(heads).map((name) => node("Gemm", ["features", `w ${name}`], [name])),
      ...further,
    ].map(named),
    initializers: {
      w: ramp(8, 3, 1, 1),
      ...Object.fromEntries(Object.entries(heads).map(([name, classes]) => [`w ${name}`, ramp(8, classes)])),
    },
    outputs,
  });
  const file = join(folder, "model.onnx");
  writeFileSync(file, patched(model, change));
  return file;
}

const load = (file: string, output?: string) => {
  const { classes, notes, network } = loadModel(file, { output });
  return { classes, notes, last: network.layers.at(-1)!.name, layers: network.layers.length };
};

describe("of several outputs the scores are explained, and one sentence says which and how to choose another", () => {
  it("where features come first", () => {
    const { classes, notes } = load(several(["features", "scores"], { scores: 4 }));
    expect(classes).toBe(4);
    expect(notes).toEqual([
      `${join(folder, "model.onnx")}: the model has 2 outputs (features [N, 8], scores [N, 4]): "scores", the last of those that can hold the scores, is explained; name another as "output" in its card model.yaml, or with --model-output`,
    ]);
  });

  it("where the number of the class comes first", () => {
    const label = node("ArgMax", ["scores"], ["label"], { axis: 1 });
    const { classes, notes } = load(several(["label", "scores"], { scores: 4 }, [label]));
    expect(classes).toBe(4);
    expect(notes[0]).toContain('"scores", the only one that can hold the scores,');
  });

  it("where one of them is not a tensor of floats by its type", () => {
    const { classes } = load(
      several(["label", "scores"], { label: 1, scores: 4 }, [], (m) => {
        m.graph.output[0].type = { tensorType: { elemType: 7 } };
      }),
    );
    expect(classes).toBe(4);
  });

  it("where logits stand beside probabilities, of which the latter are taken", () => {
    const soft = node("Softmax", ["logits"], ["probabilities"], { axis: 1 });
    const file = several(["logits", "probabilities"], { logits: 4 }, [soft]);
    expect(load(file)).toMatchObject({ classes: 4, last: "logits" });
    expect(loadModel(file).network.final).toBe("softmax");
  });

  it("where one head ends in a softmax and the other is an embedding", () => {
    const soft = node("Softmax", ["scores"], ["probabilities"], { axis: 1 });
    const { classes, notes } = load(several(["embedding", "probabilities"], { embedding: 16, scores: 4 }, [soft]));
    expect(classes).toBe(4);
    expect(notes[0]).toContain('"probabilities", the only one that ends in a softmax or sigmoid,');
  });

  it("but the first where one ends in a sigmoid and another in a softmax: either may be meant", () => {
    const steps = [node("Sigmoid", ["a"], ["man"]), node("Softmax", ["b"], ["age"], { axis: 1 })];
    const { classes, notes } = load(several(["man", "age"], { a: 1, b: 9 }, steps));
    expect(classes).toBe(1);
    expect(notes[0]).toContain('"man", the first that can hold the scores,');
  });

  it("where a map of the picture stands beside the scores", () => {
    expect(load(several(["c", "scores"], { scores: 4 })).classes).toBe(4);
  });

  it("of five heads the first, whatever stands in the way of the others, of which nothing is kept", () => {
    const names = ["d0", "d1", "d2", "d3", "d4"];
    const heads = Object.fromEntries(names.map((name, k) => [name, 3 + k]));
    const odd = node("LpNormalization", ["features"], ["odd"]);
    const { classes, notes, layers } = load(several([...names, "odd"], heads, [odd]));
    expect(classes).toBe(3);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain(
      'the model has 6 outputs (d0 [N, 3], d1 [N, 4], d2 [N, 5], d3 [N, 6], d4 [N, 7], odd): "d0", the first that can hold the scores,',
    );
    expect(layers).toBe(load(several(["d0"], { d0: 3 })).layers);
  });

  it("of two parts of one tensor the first", () => {
    const parts = node("Split", ["scores"], ["left", "right"], { axis: 1, num_outputs: 2 });
    expect(load(several(["left", "right"], { scores: 4 }, [parts])).notes[0]).toContain('"left", the first');
  });

  it("of more than are compared none, but they are told", () => {
    const names = Array.from({ length: 65 }, (_, k) => `h${k}`);
    const file = several(names, Object.fromEntries(names.map((name) => [name, 2])));
    expect(() => load(file)).toThrow(
      "the model has 65 outputs (h0, h1, h2 and 62 more); name the one that holds the scores",
    );
    expect(load(file, "h7").classes).toBe(2);
  });

  it("not, where there is one only", () => {
    expect(load(several(["scores"], { scores: 4 })).notes).toEqual([]);
  });
});

describe("an output can be named", () => {
  it("in the card and, before it, by the caller; nothing is left to say then", () => {
    const file = several(["a", "b", "c"], { a: 3, b: 4 });
    writeFileSync(join(folder, "model.yaml"), "output: b\n");
    expect(load(file)).toMatchObject({ classes: 4, notes: [] });
    expect(load(file, "a")).toMatchObject({ classes: 3, notes: [] });
  });

  it("and one that is not there is refused with those that are", () => {
    const file = several(["a", "b"], { a: 3, b: 4 });
    expect(() => load(file, "z")).toThrow(`${file}: the model has no output "z"; it has a, b`);
  });

  it("and one that holds no scores is refused for what it is", () => {
    const label = node("ArgMax", ["scores"], ["label"], { axis: 1 });
    const file = several(["label", "scores", "c"], { scores: 4 }, [label]);
    expect(() => load(file, "label")).toThrow(/the model's output "label" is the number of a class \(ArgMax\)/);
    expect(() => load(file, "c")).toThrow(/output "c" has dims \[N, 8, 6, 6\], and a classifier gives one row/);
  });
});

describe("outputs none of which can hold scores are refused with what each is", () => {
  it("as skl2onnx writes a label and a list of maps", () => {
    const label = node("ArgMax", ["scores"], ["output_label"], { axis: 1 });
    const map = node("ZipMap", ["scores"], ["output_probability"]);
    const file = several(["output_label", "output_probability"], { scores: 4 }, [label, map], (m) => {
      m.graph.node.at(-1).domain = "ai.onnx.ml";
    });
    expect(() => load(file)).toThrow(
      /none of the model's 2 outputs gives one row of class scores.*"output_label" is the number of a class \(ArgMax\), "output_probability" is a list of maps \(ZipMap\).*zipmap/,
    );
  });

  it("and a single one that tells the class alone likewise", () => {
    const file = several(["label"], { scores: 4 }, [node("ArgMax", ["scores"], ["label"], { axis: 1 })]);
    expect(() => load(file)).toThrow(
      /output "label" is the number of a class \(ArgMax\), and a classifier gives its scores/,
    );
  });
});
