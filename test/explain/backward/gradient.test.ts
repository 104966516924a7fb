import { describe, expect, it } from "vitest";
import { classifier, ints, node, ramp } from "../onnx/messages.js";
import { explainFrames } from "../run.js";
import { runForward } from "../twin/forward.js";
import { goldenCase, goldenNames } from "../twin/golden.js";
import { readOnnx } from "../twin/onnx-reader.js";
import type { InitializerInput, NodeInput } from "../twin/onnx-writer.js";
import { structureOf } from "../twin/structure.js";
import { tensor } from "../twin/tensor.js";

const STEP = 1e-5;
const PIXELS = 12;

/** The slope of one score along one pixel, by the twin's forward pass in float64 a step to either side. */
function slope(
  model: ReturnType<typeof readOnnx>,
  frame: Float64Array,
  shape: readonly number[],
  pixel: number,
  target: number,
) {
  const score = (by: number): number => {
    const run = runForward(
      model,
      tensor(
        shape,
        frame.map((v, i) => (i === pixel ? v + by : v)),
      ),
    );
    return run.values.get(structureOf(run).logits)!.data[target]!;
  };
  return (score(STEP) - score(-STEP)) / (2 * STEP);
}

/** Pixels spread over a frame, each against a finite difference. */
async function expectSlopes(
  file: Uint8Array,
  frame: Float64Array,
  shape: readonly number[],
  range: { low: readonly number[]; high: readonly number[] },
): Promise<void> {
  const options = { low: range.low, high: range.high, method: "gradient-x-input" as const };
  const [{ relevance, target }] = (await explainFrames(file, [frame], shape, options)) as [
    Awaited<ReturnType<typeof explainFrames>>[number],
  ];
  const model = readOnnx(file);
  const largest = Math.max(...relevance.map(Math.abs));
  expect(largest).toBeGreaterThan(0);
  for (let k = 0; k < PIXELS; k++) {
    const pixel = Math.floor(((k + 0.5) * frame.length) / PIXELS);
    const expected = slope(model, frame, shape, pixel, target) * frame[pixel]!;
    expect(Math.abs(relevance[pixel]! - expected) / largest, `pixel ${pixel}`).toBeLessThan(1e-3);
  }
}

describe("gradient × input is what finite differences of the float64 twin say", () => {
  // Ties have no one gradient, and the dead network none.
  it.each(goldenNames().filter((n) => n !== "max-pool-ties" && n !== "dead"))("of %s", async (name) => {
    const golden = goldenCase(name);
    await expectSlopes(golden.model, golden.frames[0]!, golden.shape, golden);
  });

  const conv = node("Conv", ["image", "w"], ["c"], { pads: [1, 1, 1, 1] });
  const affine = { g: ramp(4), b: ramp(4) };
  const scales = { none: { dims: [0], data: [] }, scales: { dims: [4], data: [1, 1, 1.75, 0.6] } };
  const spread = [
    node("ReduceMean", ["c", "axes"], ["m"]),
    node("Mul", ["c", "c"], ["q"]),
    node("ReduceMean", ["q", "axes"], ["v"]),
    node("Sqrt", ["v"], ["s"]),
  ];
  const axes = { axes: ints(1, 2, 3) };
  it.each<[string, NodeInput | NodeInput[], Record<string, InitializerInput>]>([
    ["a layer norm spelled out", [...spread, node("Sub", ["c", "m"], ["d"]), node("Div", ["d", "s"], ["l"])], axes],
    ["one turned around", [...spread, node("Sub", ["m", "c"], ["d"]), node("Div", ["d", "s"], ["l"])], axes],
    [
      "one that divides first",
      [...spread, node("Div", ["c", "s"], ["cs"]), node("Div", ["m", "s"], ["ms"]), node("Sub", ["cs", "ms"], ["l"])],
      axes,
    ],
    ["a layer norm", node("LayerNormalization", ["c", "g"], ["l"], { axis: 1 }), { g: ramp(4, 6, 6) }],
    ["an instance norm", node("InstanceNormalization", ["c", "g", "b"], ["l"]), affine],
    ["a group norm", node("GroupNormalization", ["c", "g", "b"], ["l"], { num_groups: 2 }), { g: ramp(2), b: ramp(2) }],
    ["a response norm", node("LRN", ["c"], ["l"], { size: 4, alpha: 0.5, bias: 1.5 }), {}],
    ["an interpolation", node("Resize", ["c", "none", "scales"], ["l"], { mode: "linear" }), scales],
    ["copies of the nearest", node("Resize", ["c", "none", "scales"], ["l"], { mode: "nearest" }), scales],
    ["picked rows", node("Gather", ["c", "rows"], ["l"], { axis: 2 }), { rows: ints(3, 0, 3, 5) }],
    [
      "a transposed convolution",
      node("ConvTranspose", ["c", "t"], ["l"], { strides: [2, 1] }),
      { t: ramp(4, 4, 3, 2) },
    ],
    ["a larger of a constant", node("Max", ["c", "k"], ["l"]), { k: { dims: [4, 1, 1], data: [0, 0.2, -0.3, 0.1] } }],
  ])("of %s", async (_what, layer, constants) => {
    const frame = Float64Array.from({ length: 108 }, (_, i) => Math.fround(Math.cos(i * 3)));
    const file = classifier(
      [conv, ...[layer].flat(), node("Tanh", ["l"], ["y"])],
      { w: ramp(4, 3, 3, 3), ...constants },
      { channels: 4 },
    );
    await expectSlopes(file, frame, [1, 3, 6, 6], { low: [-1], high: [1] });
  });
});
