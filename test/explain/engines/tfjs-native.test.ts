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

describe("the native binding agrees with onnxruntime on every map of", () => {
  it.each(goldenNames())("%s", async (name) => {
    const golden = goldenCase(name);
    for (const map of golden.maps.keys()) {
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
    .flatMap((name) => ["layers", "graph"].map((format) => [name, format] as const));
  it.each(cases)("%s, %s", async (name, format) => {
    const golden = goldenCase(name);
    const network = tfjsNetwork(join(golden.folder, format));
    for (const [map, expected] of golden.maps) {
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
