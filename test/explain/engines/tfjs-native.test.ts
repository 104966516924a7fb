import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { tfjsRunner } from "../../../src/explain/engines/tfjs/runner.js";
import { tf } from "../../../src/explain/engines/tfjs/tensorflow.js";
import { tfjsNetwork } from "../tfjs/model.js";
import { GOLDEN_MAPS, goldenCase, goldenNames, relativeError } from "../twin/golden.js";
import { goldenProgram, onOnnxruntime, onTfjs, requireNative } from "./run.js";

/** Relative to the frame's largest |R|. */
const TOLERANCE = 1e-4;

beforeAll(requireNative);

/** The default and a fourth of the other maps of a case, now these, now those; TWIN_ALL=1 takes them all. */
const inTurn = (maps: Iterable<string>, k: number): string[] =>
  [...maps].filter((map, m) => process.env.TWIN_ALL === "1" || map === "r-lrp-graded" || m % 4 === k % 4);

describe("the native binding agrees with onnxruntime on maps of", () => {
  it.each(goldenNames().map((name, k) => [name, k] as const))("%s", async (name, k) => {
    const golden = goldenCase(name);
    for (const map of inTurn(golden.maps.keys(), k)) {
      const { program, feeds } = goldenProgram(golden, GOLDEN_MAPS[map]!);
      const [ours, theirs] = [await onTfjs("native", program, feeds), await onOnnxruntime(program, feeds)];
      expect(Object.keys(ours)).toEqual(Object.keys(theirs));
      for (const [output, { data, dims }] of Object.entries(theirs)) {
        const got = ours[output]!;
        expect(got.dims, `${map} ${output}`).toEqual(dims);
        if (data instanceof BigInt64Array) expect(got.data).toEqual(data);
        else
          expect(relativeError(got.data as Float32Array, data as Float32Array), `${map} ${output}`).toBeLessThan(
            TOLERANCE,
          );
      }
    }
  });
});

describe("the native binding gives the golden maps of TensorFlow.js models", () => {
  const cases = goldenNames()
    .filter((name) => name.startsWith("keras-"))
    .flatMap((name, k) => ["layers", "graph"].map((format, n) => [name, format, k + 2 * n] as const));
  it.each(cases)("%s, %s", async (name, format, k) => {
    const golden = goldenCase(name);
    const network = tfjsNetwork(join(golden.folder, format));
    for (const map of inTurn(golden.maps.keys(), k)) {
      const expected = golden.maps.get(map)!;
      const { program, feeds } = goldenProgram(golden, GOLDEN_MAPS[map]!, network);
      const { relevance } = await onTfjs("native", program, feeds);
      const all = relevance!.data as Float32Array;
      const size = all.length / expected.length;
      expected.forEach((frame, n) => {
        expect(relativeError(all.subarray(n * size, (n + 1) * size), frame), `${map} ${n}`).toBeLessThan(TOLERANCE);
      });
    }
  });
});

describe("memory", () => {
  it("holds as many tensors after 200 runs as after one, and none once closed", async () => {
    const { program, feeds } = goldenProgram(goldenCase(goldenNames()[0]!), {});
    const before = tf().memory().numTensors;
    const runner = await tfjsRunner(program, { device: "cpu", threads: 1 }, "native");
    await runner.run(feeds);
    const after = tf().memory().numTensors;
    for (let k = 0; k < 199; k++) await runner.run(feeds);
    expect(tf().memory().numTensors).toBe(after);
    await runner.close();
    expect(tf().memory().numTensors).toBe(before);
  });
});
