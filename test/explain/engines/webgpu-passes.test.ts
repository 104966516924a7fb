import { describe, expect, it, vi } from "vitest";
import type { Graph } from "../../../src/explain/engines/serialise.js";
import { classesInFloat } from "../../../src/explain/engines/webgpu/classes-in-float.js";
import { roundAsFloor } from "../../../src/explain/engines/webgpu/round-as-floor.js";
import { widenThirds } from "../../../src/explain/engines/webgpu/widen-thirds.js";
import { Emitter } from "../../../src/explain/program/emitter.js";
import type { Program } from "../../../src/explain/program/program.js";
import { openSoftwareGpu } from "../../support/software-gpu.js";
import { noise } from "../random/writer.js";
import { runProgram } from "../run.js";
import { relativeError } from "../twin/golden.js";
import { onOnnxruntime } from "./run.js";

// A GPU made of the processor compiles its kernels for seconds, on a busy machine for a minute.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

openSoftwareGpu();

const written = (graph: Graph): Program => ({
  ...graph,
  constants: graph.constants.map((c) => ("make" in c ? { ...c, data: c.make() } : c)),
});

/** Which class of five is explained, as programs have it: the best, or a given one. */
function classes(target: "top" | number): Program {
  const e = new Emitter();
  const scores = e.input("scores", "float32", [-1, 5]);
  const top = e.op("ArgMax", [scores], { axis: { int: 1 }, keepdims: { int: 0 } });
  const index = target === "top" ? top : e.add(e.mul(top, e.int(0)), e.int(target));
  e.output(index, "index", "int64", [-1]);
  e.output(
    e.op("OneHot", [index, e.ints([5]), e.tensor(Float32Array.of(0, 1), [2])], { axis: { int: -1 } }),
    "marked",
    "float32",
    [-1, 5],
  );
  return e.finish();
}

describe("classes in float", () => {
  const scores = { data: Float32Array.of(1, 3, 2, 3, 0, -4, -9, -1, -2, -8, 0, 0, 0, 0, 0), dims: [3, 5] };
  it.each(["top", 0, 4] as const)("are those of ArgMax and OneHot, ties too: %s", async (target) => {
    const plain = classes(target);
    const changed = written(classesInFloat(plain));
    expect(changed.operations.map(({ op }) => op)).not.toContain("ArgMax");
    expect(await onOnnxruntime(changed, { scores })).toEqual(await onOnnxruntime(plain, { scores }));
  });
  it("are the last where scores are no numbers, so that what is picked there shows it", async () => {
    const none = { data: new Float32Array(5).fill(Number.NaN), dims: [1, 5] };
    const { index } = await onOnnxruntime(written(classesInFloat(classes("top"))), { scores: none });
    expect(index!.data).toEqual(BigInt64Array.of(4n));
  });
});

describe("rounding by Floor", () => {
  it("rounds to the nearest, and halves up", async () => {
    const e = new Emitter();
    e.output(e.op("Round", [e.input("x", "float32", [-1])]), "y", "float32", [-1]);
    const changed = written(roundAsFloor(e.finish()));
    const x = { data: Float32Array.of(-1.6, -1.5, -0.4, 0.49, 0.5, 7), dims: [6] };
    expect((await onOnnxruntime(changed, { x })).y!.data).toEqual(Float32Array.of(-2, -1, 0, 0, 1, 7));
  });
});

describe("a convolution on the GPU is the processor's", () => {
  const program = (channels: number, out: number, kernel: number): Program => {
    const e = new Emitter();
    const random = noise(channels + out);
    const values = (...dims: number[]) =>
      e.tensor(Float32Array.from({ length: dims.reduce((a, b) => a * b) }, random), dims);
    const pad = Math.floor(kernel / 2);
    const window = {
      kernel: [kernel, kernel],
      strides: [2, 2],
      pads: [pad, pad, pad, pad],
      dilations: [1, 1],
    } as const;
    const x = e.input("x", "float32", [-1, channels, 9, 9]);
    const y = e.conv(x, values(out, channels, kernel, kernel), values(out), window);
    e.output(y, "y", "float32", [-1, out, 5, 5]);
    return e.finish();
  };
  const cases = [
    [6, 8, 1],
    [6, 3, 3],
    [6, 8, 3],
    [9, 4, 3],
    [10, 8, 3],
    [15, 8, 3],
  ] as const;
  it.each(cases)("of %d channels to %d, %d pixels wide", async (channels, out, kernel) => {
    const random = noise(1);
    const x = { data: Float32Array.from({ length: 2 * channels * 81 }, random), dims: [2, channels, 9, 9] };
    const given = program(channels, out, kernel);
    const [ours, theirs] = [await runProgram(given, { x }, "webgpu"), await onOnnxruntime(given, { x })];
    expect(relativeError(ours.y!.data as Float32Array, theirs.y!.data as Float32Array)).toBeLessThan(1e-5);
  });
  it("whose channels are no odd multiple of three stays as it is", () => {
    for (const channels of [3, 4, 10, 12]) expect(widenThirds(program(channels, 8, 3)).operations).toHaveLength(2);
    expect(widenThirds(program(6, 8, 3)).operations).toHaveLength(3);
  });
});
