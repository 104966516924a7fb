import { beforeAll, describe, expect, it } from "vitest";
import { GOLDEN_MAPS, goldenCase, goldenNames, relativeError } from "../twin/golden.js";
import { goldenProgram, onOnnxruntime, onOpenvino, requireOpenvino } from "./run.js";

/** Relative to the frame's largest |R|. */
const TOLERANCE = 1e-4;

beforeAll(requireOpenvino);

describe("OpenVINO agrees with onnxruntime on every map of", () => {
  it.each(goldenNames())("%s", async (name) => {
    const golden = goldenCase(name);
    for (const map of golden.maps.keys()) {
      const { program, feeds } = goldenProgram(golden, GOLDEN_MAPS[map]!);
      const [ours, theirs] = [await onOpenvino(program, feeds), await onOnnxruntime(program, feeds)];
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
