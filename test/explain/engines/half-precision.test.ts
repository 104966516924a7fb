import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { toFloat16 } from "../../../src/explain/engines/float16.js";
import { withHalves } from "../../../src/explain/engines/half-precision.js";
import { runOnnx } from "../../../src/explain/engines/onnxruntime-session.js";
import { writeOnnx } from "../../../src/explain/engines/serialise.js";
import { loadModel } from "../../../src/explain/model/load.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import type { Emitter, Value } from "../../../src/explain/program/emitter.js";
import type { Program } from "../../../src/explain/program/program.js";
import { tensorProgram } from "../../../src/explain/programs/tensor.js";
import { noise } from "../random/writer.js";
import { type Feeds, onOnnxruntime, programOf } from "./run.js";

const random = (seed: number, length: number, size = 1): Float32Array => {
  const next = noise(seed);
  return Float32Array.from({ length }, () => size * next());
};

/** On the processor, which casts to float16 and back and computes between them in float32. */
async function inHalves(program: Program, feeds: Feeds): Promise<Feeds> {
  const folder = mkdtempSync(path.join(tmpdir(), "halves-"));
  try {
    writeOnnx(withHalves(program), folder, "graph.onnx");
    return await runOnnx(path.join(folder, "graph.onnx"), feeds);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("float16", () => {
  /** What the bits stand for, by the format's definition. */
  const value = (bits: number): number => {
    const [sign, exponent, mantissa] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 0) return sign * mantissa * 2 ** -24;
    return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
  };
  /** The nearest of all finite numbers, ties to the even one: all are tried. */
  const finite = Array.from({ length: 0x7c00 }, (_, k) => k);
  const nearest = (x: number): number => {
    let best = 0;
    for (const bits of finite) {
      const [a, b] = [Math.abs(value(bits) - Math.abs(x)), Math.abs(value(best) - Math.abs(x))];
      if (a < b || (a === b && bits % 2 === 0)) best = bits;
    }
    return best;
  };

  it("is the nearest number there is, ties to even", () => {
    const edges = [
      0,
      1,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      1 - 2 ** -12,
      2 ** -14,
      2 ** -15,
      2 ** -24,
      2 ** -25,
      3 * 2 ** -26,
    ];
    const others = [2 ** -26, 1e-9, 65504, 65519, 65520, 1e9, 0.1, 1 / 3, 6e-5, 6.1e-5, 2048.5, 2049, 2051];
    const spread = Array.from(random(1, 60), (x, k) => x * 2 ** ((k % 40) - 26));
    for (const x of Float32Array.from([...edges, ...others, ...spread])) {
      const expected = nearest(Math.min(Math.abs(x), 65504)) | (x < 0 ? 0x8000 : 0);
      expect(toFloat16(Float32Array.of(x))[0], String(x)).toBe(expected);
    }
  });

  it("keeps what is no number, and nothing becomes infinite", () => {
    expect(value(toFloat16(Float32Array.of(Number.POSITIVE_INFINITY))[0]!)).toBe(65504);
    expect(toFloat16(Float32Array.of(Number.NaN))[0]! & 0x7fff).toBeGreaterThan(0x7c00);
    expect(Array.from(toFloat16(Float32Array.of(1, -2, -0).subarray(1)))).toEqual([0xc000, 0x8000]);
  });
});

describe("a program in halves", () => {
  const window = { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] } as const;
  const conv = (out: number, into: number, bias?: number) => (e: Emitter, x: Value) =>
    e.conv(
      x,
      e.tensor(random(2, out * into * 9), [out, into, 3, 3]),
      bias === undefined ? undefined : e.tensor(random(3, out, bias), [out]),
      window,
    );
  const cases: [string, number[], (e: Emitter, x: Value) => Value][] = [
    ["a convolution", [2, 8, 6, 6], conv(8, 8)],
    ["a convolution with a bias", [2, 8, 6, 6], conv(16, 8, 0.5)],
    [
      "a transposed convolution",
      [2, 8, 5, 5],
      (e, x) =>
        e.op("ConvTranspose", [x, e.tensor(random(2, 8 * 9 * 9), [8, 9, 3, 3])], {
          kernel_shape: { ints: [3, 3] },
          strides: { ints: [2, 2] },
        }),
    ],
    ["rows times a matrix", [3, 12], (e, x) => e.matmul(x, e.tensor(random(2, 120), [12, 10]))],
    [
      "rows times a turned matrix",
      [3, 12],
      (e, x) => e.op("Gemm", [x, e.tensor(random(2, 120), [10, 12])], { transB: { int: 1 } }),
    ],
    ["two computed matrices", [2, 3, 9, 9], (e, x) => e.matmul(x, e.op("Sin", [x]))],
    ["products of one value", [2, 8, 6, 6], (e, x) => e.add(conv(8, 8)(e, x), conv(8, 8)(e, x))],
  ];
  describe.each([
    ["of usual size", 1],
    ["smaller than any float16", 1e-20],
    ["larger than any float16", 1e20],
  ])("takes values %s", (_, size) => {
    // A network's own products are of usual size.
    it.each(cases.filter(([name]) => size === 1 || !name.includes("bias")))("of %s", async (name, dims, emit) => {
      const program = programOf(dims, emit);
      const x = {
        data: random(
          1,
          dims.reduce((a, b) => a * b),
          size,
        ),
        dims,
      };
      const sine = name === "two computed matrices" && size === 1e20;
      const [whole, half] = [await onOnnxruntime(program, { x }), await inHalves(program, { x })];
      const [expected, got] = [whole.y!.data as Float32Array, half.y!.data as Float32Array];
      const largest = Math.max(...expected.map(Math.abs));
      expect(largest).toBeGreaterThan(0);
      const apart = Math.max(...got.map((v, k) => Math.abs(v - expected[k]!))) / largest;
      expect(apart).toBeLessThan(sine ? 0.01 : 2e-3);
      expect(apart, "nothing was computed in float16").toBeGreaterThan(1e-7);
      const operators = withHalves(program).operations.map(({ op }) => op);
      expect(operators).toContain("Cast");
    });
  });

  it("keeps each frame's precision, whatever the others are", async () => {
    const data = random(1, 2 * 8 * 36);
    for (let k = 0; k < 8 * 36; k++) data[k]! *= 1e-12;
    const program = programOf([-1, 8, 6, 6], conv(8, 8));
    const x = { data, dims: [2, 8, 6, 6] };
    const [whole, half] = [await onOnnxruntime(program, { x }), await inHalves(program, { x })];
    for (const n of [0, 1]) {
      const part = (y: Feeds): number[] => Array.from(y.y!.data as Float32Array).slice(n * 288, (n + 1) * 288);
      const largest = Math.max(...part(whole).map(Math.abs));
      const apart = part(half).map((v, k) => Math.abs(v - part(whole)[k]!) / largest);
      expect(Math.max(...apart)).toBeLessThan(2e-3);
    }
  });

  it("leaves zeros zero", async () => {
    const program = programOf([1, 8, 6, 6], conv(8, 8));
    const { y } = await inHalves(program, { x: { data: new Float32Array(288), dims: [1, 8, 6, 6] } });
    expect(Array.from(y!.data as Float32Array).every((v) => v === 0)).toBe(true);
  });

  it.each([
    ["the convolution that reads the picture", [1, 3, 6, 6], conv(16, 3)],
    [
      "a convolution that goes channel by channel",
      [1, 8, 6, 6],
      (e: Emitter, x: Value) => e.conv(x, e.tensor(random(2, 72), [8, 1, 3, 3]), undefined, window, 8),
    ],
    [
      "one that only adds up",
      [1, 8, 6, 6],
      (e: Emitter, x: Value) => e.conv(x, e.tensor(new Float32Array(576).fill(0.5), [8, 8, 3, 3]), undefined, window),
    ],
    ["all that is no product", [1, 8, 6, 6], (e: Emitter, x: Value) => e.op("Exp", [x])],
  ])("leaves %s in float32", (_, dims, emit) => {
    const program = programOf(dims as number[], emit);
    expect(withHalves(program).operations).toEqual(program.operations);
  });

  it("holds its matrices in float16 alone, and casts a value once", () => {
    const graph = withHalves(programOf([2, 8, 6, 6], (e, x) => e.add(conv(8, 8)(e, x), conv(16, 8)(e, x))));
    const weights = graph.constants.filter(({ dims }) => dims.length === 4);
    expect(weights.map(({ kind }) => kind)).toEqual(["float16", "float16"]);
    expect(graph.operations.filter(({ op }) => op === "ReduceMax")).toHaveLength(1);
  });
});

describe("maps in halves", () => {
  const correlation = (a: Float32Array, b: Float32Array): number => {
    const mean = (v: Float32Array): number => v.reduce((sum, x) => sum + x, 0) / v.length;
    const [ma, mb] = [mean(a), mean(b)];
    let [ab, aa, bb] = [0, 0, 0];
    for (let k = 0; k < a.length; k++) {
      ab += (a[k]! - ma) * (b[k]! - mb);
      aa += (a[k]! - ma) ** 2;
      bb += (b[k]! - mb) ** 2;
    }
    return ab / Math.sqrt(aa * bb);
  };

  it.each(["inspection-cnn", "inspection-vgg", "inspection-resnet", "efficientnet-lite0"])(
    "are those of float32 for %s, but for some thousandths",
    async (name) => {
      const { network } = loadModel(path.resolve("models", name));
      const program = tensorProgram(network, DEFAULT_METHOD, { low: [-2], high: [2], channelAxis: 1 });
      const dims = [1, ...network.shapes.get(network.input)!.slice(1)];
      const input = {
        data: random(
          5,
          dims.reduce((a, b) => a * b),
          2,
        ),
        dims,
      };
      const [whole, half] = [await onOnnxruntime(program, { input }), await inHalves(program, { input })];
      expect(Array.from(half.target!.data, Number)).toEqual(Array.from(whole.target!.data, Number));
      const both = [whole, half].map((o) => o.relevance!.data as Float32Array) as [Float32Array, Float32Array];
      expect(correlation(...both)).toBeGreaterThan(0.999);
    },
  );
});
