import { describe, expect, it } from "vitest";
import { tf } from "../../../src/explain/engines/tfjs/tensorflow.js";
import { GOLDEN_MAPS, goldenCase, goldenNames, relativeError } from "../twin/golden.js";
import { goldenProgram, onTfjs } from "./run.js";

const TOLERANCE = 1e-4;

describe("WebAssembly, which is always there, gives the golden map of", () => {
  it.each(goldenNames())("%s", async (name) => {
    const golden = goldenCase(name);
    const { program, feeds } = goldenProgram(golden, GOLDEN_MAPS["r-lrp-graded"]!);
    const out = await onTfjs("wasm", program, feeds);
    expect(tf().getBackend()).toBe("wasm");
    const maps = golden.maps.get("r-lrp-graded")!;
    const data = out.relevance!.data as Float32Array;
    const size = data.length / maps.length;
    maps.forEach((map, n) => {
      expect(relativeError(data.subarray(n * size, (n + 1) * size), map), `frame ${n}`).toBeLessThan(TOLERANCE);
    });
  });
});
