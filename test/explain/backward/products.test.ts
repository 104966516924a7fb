import { describe, expect, it } from "vitest";
import { explainFrames } from "../run.js";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";

/** A picture of two pixels, `[N, 1, 1, 2]`, and a score that adds up what `y` holds for them. */
async function shares(nodes: NodeInput[], initializers: Record<string, InitializerInput>): Promise<number[]> {
  const model = buildModel({
    inputs: [{ name: "x", dims: ["N", 1, 1, 2] }],
    nodes: [
      ...nodes,
      { op: "Reshape", inputs: ["y", "row"], outputs: ["r"] },
      { op: "Gemm", inputs: ["r", "sum"], outputs: ["score"] },
    ],
    initializers: {
      row: { dims: [2], data: [0, 2], type: "int64" },
      sum: { dims: [2, 1], data: [1, 1] },
      ...initializers,
    },
    outputs: ["score"],
  });
  const options = { low: [0], high: [1], channelAxis: 1, inputRule: "contribution" } as const;
  const [explained] = await explainFrames(model, [[2, -1]], [1, 1, 1, 2], options);
  return Array.from(explained!.relevance);
}

const conv = (weight: string, output: string): NodeInput => ({ op: "Conv", inputs: ["x", weight], outputs: [output] });
const times = (w: number): InitializerInput => ({ dims: [1, 1, 1, 1], data: [w] });
const column: NodeInput[] = ["v", "k"].map((name) => ({
  op: "Reshape",
  inputs: [name, "columns"],
  outputs: [`${name}2`],
}));
const columns: InitializerInput = { dims: [3], data: [0, 2, 1], type: "int64" };
const rows: NodeInput = { op: "Transpose", inputs: ["k2"], outputs: ["kt"], attributes: { perm: [0, 2, 1] } };

describe("relevance crosses products as worked out by hand", () => {
  it("half to each of two signals", async () => {
    // u = (2, −1), v = (6, −3), y = (12, 3), score 15: R_y = (.8, .2), half to each of u and v.
    // conv u: Q = s(u) R = (.4, −.1), U = x Q = (.8, .1), scaled to .5: (4/9, 1/18); conv v alike, as U is scaled.
    const [a, b] = await shares(
      [conv("one", "u"), conv("three", "v"), { op: "Mul", inputs: ["u", "v"], outputs: ["y"] }],
      { one: times(1), three: times(3) },
    );
    expect(a).toBeCloseTo(8 / 9, 5);
    expect(b).toBeCloseTo(1 / 9, 5);
  });

  it("all of attention to what the softmax weighs", async () => {
    // k = 0, so the softmax is ½ everywhere; v = (2, −1), Y = (½, ½), score 1: R = (½, ½), d = ½ + ½ = 1.
    // U = v (Aᵀ R/d) = (2 · ½, −1 · ½), scaled to 1: (2/3, −1/3).
    // conv v: Q = s(v) R = (2/3, 1/3), U = x Q = (4/3, −1/3), scaled to 1: (.8, −.2).
    const [a, b] = await shares(
      [
        conv("one", "v"),
        conv("none", "k"),
        ...column,
        rows,
        { op: "MatMul", inputs: ["k2", "kt"], outputs: ["scores"] },
        { op: "Softmax", inputs: ["scores"], outputs: ["gate"], attributes: { axis: -1 } },
        { op: "MatMul", inputs: ["gate", "v2"], outputs: ["y"] },
      ],
      { one: times(1), none: times(0), columns },
    );
    expect(a).toBeCloseTo(0.8, 5);
    expect(b).toBeCloseTo(-0.2, 5);
  });

  it("half to each factor of a matrix product without a gate", async () => {
    // v = (2, −1), k = (2, −1): C = kᵀ v = 5, y = v C = (10, −5), score 5: R = (2, −1) / 3 of 1, d = (10 + 7.5, −(5 + 7.5)).
    // To v: U = v C R/d = (10 · (2/3)/17.5, −5 · (−1/3)/−12.5) = (.38095, −.13333), scaled to ½: (.37037, −.12963).
    // To C: U = 5 Σ v R/d = 5 (.07619 − .02667) > 0, scaled to ½, so R_C = ½ with d = 10.
    // To k and v from C, ½ · ½ each: U ∝ k v = (4, 1): (.2, .05) each.
    // v in all: (.57037, −.07963); conv v: Q = (.57037, .07963), U = x Q = (1.14074, −.07963), scaled to .65: (.60759, −.04241).
    // conv k: Q = (.2, −.05), U = (.4, .05), scaled to .25: (.22222, .02778). Sum (.82981, −.01463), scaled to 1.
    const [a, b] = await shares(
      [
        conv("one", "v"),
        conv("one", "k"),
        ...column,
        rows,
        { op: "MatMul", inputs: ["kt", "v2"], outputs: ["context"] },
        { op: "MatMul", inputs: ["v2", "context"], outputs: ["y"] },
      ],
      { one: times(1), columns },
    );
    expect(a! + Math.abs(b!)).toBeCloseTo(1, 5);
    expect(a).toBeCloseTo(0.82981 / (0.82981 + 0.01463), 3);
    expect(b).toBeCloseTo(-0.01463 / (0.82981 + 0.01463), 3);
  });

  it("all of a product with a reciprocal to what is divided", async () => {
    // y = v · (1 / k) of v = (2, −1), k = (6, 1.5): no sign turns, so R_v ∝ (1/3, −2/3) signed.
    // conv v: Q = (1/3, 2/3), U = x Q = (2/3, −2/3), scaled to 1: (½, −½).
    const [a, b] = await shares(
      [
        conv("one", "v"),
        conv("three", "w"),
        { op: "LeakyRelu", inputs: ["w"], outputs: ["k"], attributes: { alpha: { float: -0.5 } } },
        { op: "Reciprocal", inputs: ["k"], outputs: ["inverse"] },
        { op: "Mul", inputs: ["inverse", "v"], outputs: ["y"] },
      ],
      { one: times(1), three: times(3) },
    );
    expect(a).toBeCloseTo(1 / 2, 5);
    expect(b).toBeCloseTo(-1 / 2, 5);
  });

  it("all of a gate times its own norm to the gate", async () => {
    // g = σ(u) = (.88080, .26894) of u = (2, −1), y = g ‖g‖: R_y = g / Σg = (.76609, .23391), all of it to g.
    // To u: R s(u) s(g) = (.76609, −.23391); conv u: Q = s(u) R, U = x Q = (1.53218, −.23391), scaled to 1.
    const [a, b] = await shares(
      [
        conv("one", "u"),
        { op: "Sigmoid", inputs: ["u"], outputs: ["g"] },
        { op: "ReduceL2", inputs: ["g", "last"], outputs: ["size"] },
        { op: "Mul", inputs: ["g", "size"], outputs: ["y"] },
      ],
      { one: times(1), last: { dims: [1], data: [3], type: "int64" } },
    );
    expect(a).toBeCloseTo(0.86755, 4);
    expect(b).toBeCloseTo(-0.13245, 4);
  });

  it("all of a product to what a gate weighs that is hidden in places", async () => {
    // The gate of each pixel is made of the other one, and 0 at the second: y = (2 σ(−1), 0), all of it to the first pixel.
    const [a, b] = await shares(
      [
        conv("one", "v"),
        { op: "Conv", inputs: ["x", "other"], outputs: ["k"], attributes: { pads: [0, 1, 0, 1] } },
        { op: "Sigmoid", inputs: ["k"], outputs: ["open"] },
        { op: "Cast", inputs: ["mask"], outputs: ["shown"], attributes: { to: 9 } },
        { op: "Where", inputs: ["shown", "open", "zero"], outputs: ["gate"] },
        { op: "Mul", inputs: ["v", "gate"], outputs: ["y"] },
      ],
      {
        one: times(1),
        other: { dims: [1, 1, 1, 3], data: [1, 0, 1] },
        mask: { dims: [2], data: [1, 0] },
        zero: { dims: [], data: [0] },
      },
    );
    expect(a).toBeCloseTo(1, 5);
    expect(b).toBeCloseTo(0, 5);
  });

  it("all of a norm to the tensor whose statistic scales it", async () => {
    // y = x / √(mean x²) of v = (2, −1): one to one, so the same as without the norm: R_v ∝ (2, −1) signed.
    // conv v: Q = (2/3, 1/3), U = x Q = (4/3, −1/3), scaled to 1: (.8, −.2).
    const [a, b] = await shares(
      [
        conv("one", "v"),
        { op: "Mul", inputs: ["v", "v"], outputs: ["v2"] },
        { op: "ReduceMean", inputs: ["v2", "last"], outputs: ["m"] },
        { op: "Sqrt", inputs: ["m"], outputs: ["root"] },
        { op: "Reciprocal", inputs: ["root"], outputs: ["inverse"] },
        { op: "Mul", inputs: ["v", "inverse"], outputs: ["y"] },
      ],
      { one: times(1), last: { dims: [1], data: [3], type: "int64" } },
    );
    expect(a).toBeCloseTo(0.8, 5);
    expect(b).toBeCloseTo(-0.2, 5);
  });
});
