import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { blockOf, keepBlocked } from "../../../src/explain/engines/blocked-layout.js";
import { type Graph, toOnnx } from "../../../src/explain/engines/serialise.js";
import { withWinograd } from "../../../src/explain/engines/winograd.js";
import { R_LRP_NAMES } from "../../../src/explain/method-names.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import type { MethodOptions } from "../../../src/explain/options.js";
import { framesProgram } from "../../../src/explain/programs/frames.js";
import { tensorProgram } from "../../../src/explain/programs/tensor.js";
import { type ModelMessage, ModelProto } from "../../../src/explain/proto/onnx.js";
import { noise } from "../random/writer.js";
import { explainFrames } from "../run.js";
import { relativeError } from "../twin/golden.js";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";
import { twin } from "../twin/twin.js";

const SHAPE = [1, 3, 14, 18];

/** Layers as wide as real ones, so that whole blocks of channels occur; 24 channels leave half a block of sixteen. */
class Wide {
  readonly nodes: NodeInput[] = [];
  readonly initializers: Record<string, InitializerInput> = {};
  #random = noise(7);

  weights(name: string, ...dims: number[]): string {
    const fan = dims.slice(1).reduce((a, b) => a * b, 1);
    const data = Array.from({ length: dims[0]! * fan }, () => this.#random() / Math.sqrt(fan / 3));
    this.initializers[name] = { dims, data };
    return name;
  }
  node(op: string, inputs: string[], y: string, attributes: NodeInput["attributes"] = {}, more: string[] = []): string {
    this.nodes.push({ op, name: y, inputs, outputs: [y, ...more], attributes });
    return y;
  }
  conv(x: string, y: string, from: number, to: number, kernel = 1, stride = 1, group = 1): string {
    const pad = Math.floor(kernel / 2);
    const words = [x, this.weights(`${y}.w`, to, from / group, kernel, kernel), this.weights(`${y}.b`, to)];
    return this.node("Conv", words, y, {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      group,
    });
  }
  relu(x: string): string {
    return this.node("Relu", [x], `${x}.relu`);
  }
  finish(x: string, channels: number, colours = SHAPE[1]!): Uint8Array {
    const pooled = this.node("Flatten", [this.node("GlobalAveragePool", [x], "pooled")], "flat");
    this.node("Gemm", [pooled, this.weights("head", channels, 5)], "scores");
    const { nodes, initializers } = this;
    return buildModel({
      inputs: [{ name: "image", dims: ["N", colours, ...SHAPE.slice(2)] }],
      nodes,
      initializers,
      outputs: ["scores"],
      opset: 13,
    });
  }
}

const window = { kernel_shape: [2, 2], strides: [2, 2] };
const NETWORKS: Record<string, (w: Wide) => Uint8Array> = {
  "a residual network with stride": (w) => {
    const stem = w.relu(w.conv("image", "stem", 3, 16, 3, 2));
    const branch = w.conv(w.relu(w.conv(stem, "one", 16, 16, 3)), "two", 16, 32, 3, 2);
    const sum = w.relu(w.node("Add", [branch, w.conv(stem, "short", 16, 32, 1, 2)], "sum"));
    const next = w.node("Add", [w.conv(sum, "three", 32, 32, 3), sum], "again");
    return w.finish(w.relu(next), 32);
  },
  "an inverted residual of 24 channels": (w) => {
    const stem = w.node("Clip", [w.conv("image", "stem", 3, 24, 3)], "stem6", { min: 0, max: 6 });
    const wide = w.relu(w.conv(stem, "expand", 24, 96));
    const deep = w.relu(w.conv(wide, "depthwise", 96, 96, 3, 2, 96));
    const narrow = w.conv(deep, "project", 96, 24);
    const back = w.conv(w.relu(w.conv(narrow, "expand2", 24, 48)), "project2", 48, 24);
    return w.finish(w.node("Add", [narrow, back], "sum"), 24);
  },
  "concatenation, split and both pools": (w) => {
    const stem = w.relu(w.conv("image", "stem", 3, 32, 3));
    const pooled = w.node("MaxPool", [stem], "max", window);
    const joined = w.node("Concat", [w.conv(pooled, "a", 32, 16), w.relu(w.conv(pooled, "b", 32, 32, 3))], "joined", {
      axis: 1,
    });
    w.initializers.sizes = { dims: [2], data: [16, 32], type: "int64" };
    w.node("Split", [joined, "sizes"], "first", { axis: 1 }, ["second"]);
    const mean = w.node("AveragePool", ["second"], "mean", window);
    const top = w.node("MaxPool", [w.relu(w.conv("first", "c", 16, 32, 3))], "top", {
      kernel_shape: [3, 3],
      strides: [2, 2],
    });
    return w.finish(w.node("Add", [w.conv(top, "d", 32, 32), mean], "both"), 32);
  },
  "inception blocks with pools that overlap": (w) => {
    const pool = (x: string, y: string, stride: number, pad: number): string =>
      w.node("MaxPool", [x], y, { kernel_shape: [3, 3], strides: [stride, stride], pads: [pad, pad, pad, pad] });
    const stem = pool(w.conv("image", "stem", 3, 48, 3), "first", 2, 1);
    const branch = w.relu(w.conv(pool(stem, "same", 1, 1), "after", 48, 16));
    const joined = w.node("Concat", [w.relu(w.conv(stem, "a", 48, 32, 3)), branch], "joined", { axis: 1 });
    return w.finish(w.relu(w.conv(pool(joined, "last", 2, 0), "b", 48, 32)), 32);
  },
  "strides whose phases have unlike kernels, or none": (w) => {
    const stem = w.relu(w.conv("image", "stem", 3, 32, 5));
    const five = w.relu(w.conv(stem, "five", 32, 48, 5, 2));
    const three = w.relu(w.conv(five, "three", 48, 32, 3, 2));
    return w.finish(w.node("Add", [three, w.conv(stem, "two", 32, 32, 1, 4)], "sum"), 32);
  },
};

/** Wide enough for minimal filtering, of even and of odd size. */
const wide = (w: Wide, channels = 3): Uint8Array => {
  const even = w.relu(w.conv(w.relu(w.conv("image", "stem", channels, 96)), "even", 96, 96, 3));
  const odd = w.node("MaxPool", [even], "smaller", { kernel_shape: [2, 2], strides: [1, 1] });
  return w.finish(w.relu(w.conv(odd, "odd", 96, 96, 3)), 96, channels);
};

describe("an explanation in the blocked layout is what the twin says", () => {
  it.each(Object.keys(NETWORKS))("of %s", async (name) => {
    const model = NETWORKS[name]!(new Wide());
    const random = noise(3);
    const frames = [0, 1, 2].map(() => Float64Array.from({ length: 3 * 14 * 18 }, () => random() * 2));
    for (const method of R_LRP_NAMES) {
      const options = { method, low: [-2], high: [2], channelAxis: 1 };
      const explained = await explainFrames(model, frames, SHAPE, options);
      frames.forEach((frame, n) => {
        const expected = twin(model, frame, SHAPE, options);
        expect(relativeError(explained[n]!.logits, expected.logits)).toBeLessThan(1e-4);
        expect(relativeError(explained[n]!.relevance, expected.relevance), `${method} frame ${n}`).toBeLessThan(1e-4);
      });
    }
  });
});

describe("an explanation with convolutions by minimal filtering", () => {
  it.each(["r-lrp-graded", "r-lrp-local", "r-lrp"] as const)("is what the twin says of %s", async (method) => {
    const model = wide(new Wide());
    const random = noise(5);
    const frame = Float64Array.from({ length: 3 * 14 * 18 }, () => random() * 2);
    const options = { method, low: [-2], high: [2], channelAxis: 1 };
    const [explained] = await explainFrames(model, [frame], SHAPE, options);
    const expected = twin(model, frame, SHAPE, options);
    expect(relativeError(explained!.logits, expected.logits)).toBeLessThan(1e-5);
    expect(relativeError(explained!.relevance, expected.relevance)).toBeLessThan(1e-4);
  });
});

describe("keepBlocked", () => {
  /** Its operators are the ones that are counted here. */
  const R_LRP: MethodOptions = { method: "r-lrp", target: "top" };
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "blocked-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const counts = (file: Uint8Array): Record<string, number> => {
    const { graph } = ModelProto.decode(file) as unknown as ModelMessage;
    const found: Record<string, number> = {};
    for (const { opType } of graph!.node!) found[opType] = (found[opType] ?? 0) + 1;
    return found;
  };

  /** What onnxruntime makes of a program after its own layout pass. */
  const optimised = async (program: Graph): Promise<Uint8Array> => {
    const ort = createRequire(import.meta.url)("onnxruntime-node") as typeof import("onnxruntime-node");
    const saved = join(folder, "optimised.onnx");
    const session = await ort.InferenceSession.create(toOnnx(program), {
      graphOptimizationLevel: "all",
      optimizedModelFilePath: saved,
      logSeverityLevel: 4,
    });
    await session.release();
    return readFileSync(saved);
  };

  it("leaves few of the returns to the plain layout, and no operator out", async () => {
    const network = canonicalise(importOnnx(NETWORKS["a residual network with stride"]!(new Wide())));
    const program = tensorProgram(network, R_LRP, { low: [-2], high: [2], channelAxis: 1 });
    const saved = await optimised(program);
    const [before, after] = [counts(saved), counts(keepBlocked(saved, blockOf(saved)!))];
    expect(before.ReorderOutput).toBeGreaterThan(8);
    expect(after.ReorderOutput!).toBeLessThanOrEqual(before.ReorderOutput! / 2);
    for (const op of ["Conv", "Abs", "Div", "Mul", "ReduceMean", "Relu"]) expect(after[op]).toBe(before[op]);
    // Some sums go into the convolution before them.
    expect(after.Add!).toBeLessThanOrEqual(before.Add!);
  });

  it("keeps what r-lrp-graded adds blocked, but for the one channel a group of what is filtered by a box", async () => {
    const network = canonicalise(importOnnx(NETWORKS["a residual network with stride"]!(new Wide())));
    const range = { low: [-2], high: [2], channelAxis: 1 };
    const returns = async (method: MethodOptions["method"]): Promise<number> => {
      const saved = await optimised(tensorProgram(network, { ...R_LRP, method, inputRule: "bounded" }, range));
      return counts(keepBlocked(saved, blockOf(saved)!)).ReorderOutput!;
    };
    const filtered = new Set(network.layers.filter((l) => l.kind === "conv").map((l) => l.inputs[0]));
    expect(await returns("r-lrp-graded")).toBeLessThanOrEqual((await returns("r-lrp")) + filtered.size);
  });

  it("follows dims through the five axes that onnxruntime makes for sums it is not sure of", async () => {
    const network = canonicalise(importOnnx(NETWORKS["inception blocks with pools that overlap"]!(new Wide())));
    const program = tensorProgram(network, R_LRP, { low: [-2], high: [2], channelAxis: 1 });
    const saved = await optimised(program);
    const [before, after] = [counts(saved), counts(keepBlocked(saved, blockOf(saved)!))];
    expect(before.Reshape! - after.Reshape!).toBeGreaterThan(8);
    expect(after.ReorderOutput!).toBeLessThanOrEqual(before.ReorderOutput! / 3);
    expect(after.Conv).toBe(before.Conv);
  });

  it("moves whole blocks where channels become pixels and where rows and columns are cut off", async () => {
    const network = canonicalise(importOnnx(wide(new Wide())));
    const program = tensorProgram(network, R_LRP, { low: [-2], high: [2], channelAxis: 1 });
    const saved = await optimised(withWinograd(program));
    const [before, after] = [counts(saved), counts(keepBlocked(saved, blockOf(saved)!))];
    expect(before).toMatchObject({ DepthToSpace: 4, Slice: 3 });
    expect(after).toMatchObject({ Transpose: 4, Slice: 3 });
    // The four, two cuts of an odd size, and one behind the pool.
    const { graph } = ModelProto.decode(keepBlocked(saved, blockOf(saved)!)) as unknown as ModelMessage;
    expect(graph!.node!.filter((node) => node.name?.endsWith("_apart"))).toHaveLength(7);
    expect(after.DepthToSpace).toBeUndefined();
    // No dims are told: where onnxruntime knows some and not all, it takes quadratic time to plan memory, and plans nothing.
    const inputs = new Set(graph!.input!.map(({ name }) => name));
    const constants = new Set(graph!.initializer!.map(({ name }) => name));
    const targets = graph!.node!.filter((node) => node.opType === "Reshape").map((node) => node.input![1]!);
    expect(targets.length).toBeGreaterThan(7);
    expect(targets.filter((name) => constants.has(name) && !inputs.has(name))).toEqual([]);
    expect(after.ReorderOutput!).toBeLessThanOrEqual(4);
  });

  it.each([
    ["RGB", 3],
    ["BGR", 3],
    ["RGB", 1],
  ] as const)(
    "knows the dims of pictures that a program makes of frames: %s, %d channels",
    async (channelOrder, channels) => {
      const [height, width] = SHAPE.slice(2) as [number, number];
      const network = canonicalise(importOnnx(wide(new Wide(), channels)));
      const preprocessing = { width, height, channels, channelOrder, layout: "NCHW", mean: [128], std: [64] } as const;
      const summary = { top: 1, grid: { rows: 2, columns: 2 }, blur: 1 };
      const program = framesProgram(network, R_LRP, preprocessing, summary, false);
      const saved = await optimised(withWinograd(program));
      expect(counts(keepBlocked(saved, blockOf(saved)!)).ReorderOutput).toBeLessThanOrEqual(4);
    },
  );

  it("adds to a graph without blocked operators nothing but early readers of means", () => {
    const network = canonicalise(importOnnx(NETWORKS["a residual network with stride"]!(new Wide())));
    const plain = toOnnx(tensorProgram(network, R_LRP, { low: [-2], high: [2], channelAxis: 1 }));
    const means = counts(plain).ReduceMean!;
    expect(means).toBeGreaterThan(3);
    const { Identity, ...rest } = counts(plain);
    expect(counts(keepBlocked(plain, 16))).toEqual({ ...rest, Identity: Identity! + means });
  });
});
