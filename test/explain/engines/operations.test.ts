import { beforeAll, describe, expect, it } from "vitest";
import { KERNELS } from "../../../src/explain/engines/tfjs/kernels/index.js";
import { noise } from "../random/writer.js";
import { relativeError } from "../twin/golden.js";
import { CASES, caseProgram } from "./cases.js";
import { onOnnxruntime, onTfjs, requireNative } from "./run.js";

const TOLERANCE = 1e-5;
/** Run as parts of every explanation, which the golden maps prove. */
const WITHIN_EXPLANATIONS = [
  "Equal",
  "Less",
  "LessOrEqual",
  "Greater",
  "GreaterOrEqual",
  "And",
  "Or",
  "Not",
  "Where",
  "Cast",
  "OneHot",
  "GatherElements",
];

beforeAll(requireNative);

describe("every operation of tfjs", () => {
  it("has a case here", () => {
    const known = [...new Set([...CASES.map((c) => c.op), ...WITHIN_EXPLANATIONS])];
    expect(known.toSorted()).toEqual(Object.keys(KERNELS).toSorted());
  });
});

describe.each(["native", "wasm"] as const)("on %s", (choice) => {
  it.each(CASES.map((c) => [`${c.op}, ${c.title}`, c] as const))("%s: as onnxruntime has it", async (_, c) => {
    const random = noise(7);
    for (const channelLast of [false, true]) {
      const { program, feeds } = caseProgram(c, channelLast, () => (random() + 1) / 2);
      const [ours, theirs] = [await onTfjs(choice, program, feeds), await onOnnxruntime(program, feeds)];
      for (const [name, { data, dims }] of Object.entries(theirs)) {
        expect(ours[name]!.dims).toEqual(dims);
        expect(relativeError(Array.from(ours[name]!.data, Number), Array.from(data, Number))).toBeLessThan(TOLERANCE);
      }
    }
  });
});
