import { beforeAll, describe, expect, it } from "vitest";
import { denseAsConv } from "../../../src/explain/engines/openvino/dense-as-conv.js";
import { keepPlanesDynamic } from "../../../src/explain/engines/openvino/keep-planes-dynamic.js";
import { withNorms } from "../../../src/explain/engines/openvino/norms.js";
import type { Graph } from "../../../src/explain/engines/serialise.js";
import type { Emitter, Value } from "../../../src/explain/program/emitter.js";
import type { Program } from "../../../src/explain/program/program.js";
import { noise } from "../random/writer.js";
import { type Feeds, onOnnxruntime, onOpenvino, programOf, requireOpenvino } from "./run.js";

const random = (seed: number, length: number): Float32Array => Float32Array.from({ length }, noise(seed));

/** A program of one input `x`, and the same numbers for it. */
function program(dims: number[], emit: (e: Emitter, x: Value) => Value): { program: Program; feeds: Feeds } {
  const data = random(
    1,
    dims.reduce((a, b) => a * b),
  );
  return { program: programOf(dims, emit), feeds: { x: { data, dims } } };
}

const written = (graph: Graph): Program => ({
  ...graph,
  constants: graph.constants.map((c) => ("make" in c ? { ...c, data: c.make() } : c)),
});
const operators = (graph: Graph): string[] => graph.operations.map((o) => o.op);

describe("products with constant matrices as pointwise convolutions", () => {
  const matrix = (e: Emitter, rows: number, columns: number): Value =>
    e.tensor(random(2, rows * columns), [rows, columns]);
  it.each([
    ["rows times a matrix", [3, 5], (e: Emitter, x: Value) => e.matmul(x, matrix(e, 5, 7))],
    [
      "rows times a turned one",
      [3, 5],
      (e: Emitter, x: Value) => e.op("Gemm", [x, matrix(e, 7, 5)], { transB: { int: 1 } }),
    ],
    ["a stack of matrices times one", [2, 3, 4, 5], (e: Emitter, x: Value) => e.matmul(x, matrix(e, 5, 7))],
  ] as const)("give the same: %s", async (_, dims, emit) => {
    const { program: plain, feeds } = program([...dims], emit);
    const changed = written(denseAsConv(plain));
    expect(operators(changed)).toContain("Conv");
    expect(operators(changed)).not.toContain(plain.operations[0]!.op);
    const [expected, got] = [await onOnnxruntime(plain, feeds), await onOnnxruntime(changed, feeds)];
    expect(got.y!.dims).toEqual(expected.y!.dims);
    (got.y!.data as Float32Array).forEach((v, i) => {
      expect(v).toBeCloseTo(Number(expected.y!.data[i]), 5);
    });
  });
  it("leave a constant on the left, and what is no constant, as they are", () => {
    const { program: left } = program([4, 5], (e, x) => e.matmul(matrix(e, 3, 4), x));
    const { program: both } = program([4, 4], (e, x) => e.matmul(x, x));
    expect(operators(denseAsConv(left))).toEqual(operators(left));
    expect(operators(denseAsConv(both))).toEqual(operators(both));
  });
  it("keep one copy of a matrix that is read one way and back", () => {
    const { program: there } = program([3, 5], (e, x) => {
      const w = e.tensor(random(2, 35), [7, 5]);
      return e.matmul(e.op("Gemm", [x, w], { transB: { int: 1 } }), w);
    });
    const floats = denseAsConv(there).constants.filter((c) => c.kind === "float32");
    // The convolution there, the convolution back; the matrix itself is read by nobody.
    expect(floats.map((c) => c.dims)).toEqual([
      [7, 5, 1, 1],
      [5, 7, 1, 1],
    ]);
  });
});

describe("norms of magnitudes", () => {
  const AXES = [1, 2, 3];
  it.each(["ReduceSum", "ReduceMean"] as const)("are read once: %s", async (op) => {
    const { program: plain, feeds } = program([1, 3, 4, 5], (e, x) => e.reduce(op, e.abs(x), AXES));
    const changed = written(withNorms(plain));
    expect(operators(changed)).toContain("ReduceL1");
    expect(operators(changed)).not.toContain("Abs");
    const [expected, got] = [await onOnnxruntime(plain, feeds), await onOnnxruntime(changed, feeds)];
    expect(got.y!.dims).toEqual(expected.y!.dims);
    expect(got.y!.data[0]).toBeCloseTo(Number(expected.y!.data[0]), 5);
  });
  it("stay where the magnitudes are read by others as well, or reduced otherwise", () => {
    const { program: twice } = program([1, 3, 4, 5], (e, x) => e.add(e.abs(x), e.reduce("ReduceMean", e.abs(x), AXES)));
    const { program: most } = program([1, 3, 4, 5], (e, x) => e.reduce("ReduceMax", e.abs(x), AXES));
    expect(withNorms(twice).operations).toEqual(twice.operations);
    expect(withNorms(most).operations).toEqual(most.operations);
  });
});

describe("factors that differ from pixel to pixel", () => {
  beforeAll(requireOpenvino);
  const window = { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] } as const;
  it.each([
    ["a plane", [1, 1, 3, 3], 1],
    ["a row", [1, 1, 1, 3], 1],
    ["a column", [1, 1, 3, 1], 1],
    ["a plane without its other axes", [3, 3], 1],
    ["a plane before a depthwise one", [1, 1, 3, 3], 4],
    ["a plane for each channel", [1, 4, 3, 3], 1],
    ["one number a channel", [1, 4, 1, 1], 1],
  ] as const)("stay out of the weights of the convolution that follows: %s", async (_, dims, groups) => {
    const factor = random(
      3,
      dims.reduce<number>((a, b) => a * b, 1),
    );
    const { program: plain, feeds } = program([1, 4, 3, 3], (e, x) => {
      const weight = e.tensor(random(4, (4 * 4 * 9) / groups), [4, 4 / groups, 3, 3]);
      return e.conv(e.mul(x, e.tensor(factor, dims)), weight, undefined, window, groups);
    });
    const [expected, got] = [await onOnnxruntime(plain, feeds), await onOpenvino(plain, feeds)];
    (got.y!.data as Float32Array).forEach((v, i) => {
      expect(v).toBeCloseTo(Number(expected.y!.data[i]), 5);
    });
  });
  it("are left alone where there are none", () => {
    const { program: none } = program([1, 4, 3, 3], (e, x) => e.mul(x, e.number(2)));
    expect(keepPlanesDynamic(none)).toBe(none);
  });
});
