import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError, ModelError, VideoExplainerError } from "../../../src/errors.js";
import type { Explainer, ExplainInput, Explanation } from "../../../src/explain/explanation.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { createExplainer } from "../../../src/explain/runtime/explainer.js";
import type { ExplainerOptions } from "../../../src/explain/runtime/explainer-options.js";
import { type FrameLayout, frameBytes, modelRows } from "../../../src/frame.js";
import { classifier, node, ramp } from "../onnx/messages.js";
import { noise } from "../random/writer.js";

const model = classifier(
  [node("Conv", ["image", "w", "b"], ["c"], { pads: [1, 1, 1, 1] }), node("Relu", ["c"], ["y"])],
  { w: ramp(4, 3, 3, 3), b: ramp(4) },
  { channels: 4 },
);

let folder: string;
const open: Explainer[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "explainer-"));
  writeFileSync(join(folder, "model.onnx"), model);
  writeFileSync(
    join(folder, "model.yaml"),
    "name: parts\nlabels: [ok, hole, dent, scratch]\ninput: {mean: 127.5, std: 64}\n",
  );
  writeFileSync(join(folder, "corrupt.onnx"), model.subarray(0, 200));
});
afterAll(async () => {
  await Promise.all(open.map((e) => e.close()));
  rmSync(folder, { recursive: true });
});

const options = (): ExplainerOptions => ({
  ...DEFAULT_METHOD,
  model: folder,
  engine: "auto",
  device: "cpu",
  threads: 2,
  top: 2,
  grid: { rows: 2, columns: 3 },
  blur: 0.5,
});
async function start(more: Partial<ExplainerOptions> = {}): Promise<Explainer> {
  const explainer = await createExplainer({ ...options(), ...more });
  open.push(explainer);
  return explainer;
}

/** A frame in its slab: the whole picture of 10 × 4, below it the model's input of 6 × 6; noise everywhere else. */
function frame(seed: number, more: Partial<ExplainInput> = {}): ExplainInput {
  const area = { x: 0, y: 0, width: 10, height: 4 };
  const layout: FrameLayout = {
    width: 10,
    height: 4,
    inputWidth: 6,
    inputHeight: 6,
    stride: 30,
    placement: { rect: area, clip: area },
  };
  const memory = new SharedArrayBuffer(frameBytes(layout));
  const [random, other] = [noise(seed), noise(seed + 1e6 + Math.random() * 1e6)];
  new Uint8Array(memory).forEach((_, i, bytes) => {
    const inside = i >= 4 * 30 && i % 30 < 18;
    bytes[i] = 127.5 * (1 + (inside ? random() : other()));
  });
  return { memory, ...modelRows(layout), classifyOnly: false, scale: 0, ...more };
}

describe("an explainer", () => {
  it("says what model it runs, and on which engine", async () => {
    const { model, engine, fault } = await start();
    expect(model).toMatchObject({
      name: "parts",
      labels: ["ok", "hole", "dent", "scratch"],
      inputWidth: 6,
      inputHeight: 6,
      channels: 3,
    });
    expect(engine).toBe("onnxruntime-cpu");
    expect(fault).toBeUndefined();
  });

  it("explains a frame by the model-input rows of its slab alone", async () => {
    const explainer = await start();
    const [[a], [b]] = [await explainer.explain([frame(1)]), await explainer.explain([frame(1)])];
    expect(a).toEqual(b);
    const { relevance, top, target } = a!;
    expect(top.map((t) => t.index)).toHaveLength(2);
    expect(top[0]!.probability).toBeGreaterThanOrEqual(top[1]!.probability);
    expect(target).toMatchObject({ index: top[0]!.index, label: top[0]!.label, probability: top[0]!.probability });
    expect(relevance!.positive - relevance!.negative).toBeCloseTo(1, 4);
    expect(relevance!.heatmap).toHaveLength(36);
    expect(relevance!.grid).toMatchObject({ rows: 2, columns: 3 });
    expect(relevance!.grid.values).toHaveLength(6);
    expect(relevance!.scale).toBe(relevance!.peak);
    expect(relevance!.regions.length).toBeGreaterThan(0);
  });

  it("gives results in the order of the frames, the same for any batch, classified or explained", async () => {
    const explainer = await start();
    const seeds = Array.from({ length: 7 }, (_, k) => k + 10);
    const alone: Explanation[] = [];
    for (const seed of seeds) alone.push((await explainer.explain([frame(seed)]))[0]!);
    const mixed = await explainer.explain(
      seeds.map((seed, k) => frame(seed, { classifyOnly: k % 3 === 1, scale: k === 6 ? 0.25 : 0 })),
    );
    mixed.forEach((got, k) => {
      const expected = alone[k]!;
      expect(got.top.map((t) => t.index)).toEqual(expected.top.map((t) => t.index));
      expect(got.target.logit).toBeCloseTo(expected.target.logit, 4);
      if (k % 3 === 1) expect(got.relevance).toBeNull();
      else {
        expect(got.relevance!.positive).toBeCloseTo(expected.relevance!.positive, 4);
        expect(got.relevance!.scale).toBeCloseTo(k === 6 ? 0.25 : expected.relevance!.peak, 5);
      }
    });
  });

  it("answers concurrent calls each with its own results", async () => {
    const explainer = await start();
    const expected = (await explainer.explain(Array.from({ length: 12 }, (_, k) => frame(k)))).map(
      (e) => e.target.logit,
    );
    const calls = Array.from({ length: 12 }, async (_, k) => {
      const batch = k % 4 === 0 ? [frame(k), frame(k), frame(k)] : [frame(k)];
      const [first] = await explainer.explain(batch);
      return first!.target.logit;
    });
    (await Promise.all(calls)).forEach((logit, k) => {
      expect(logit).toBeCloseTo(expected[k]!, 4);
    });
  });

  it("classifies by the whole program where it was made without the smaller one", async () => {
    const frames = [frame(1, { classifyOnly: true }), frame(2, { classifyOnly: true })];
    const [whole, small] = await Promise.all([start(), start({ classifier: true })]);
    expect([whole.hasClassifier, small.hasClassifier]).toEqual([false, true]);
    const [a, b] = [await whole.explain(frames), await small.explain(frames)];
    a.forEach(({ target, relevance }, k) => {
      expect(relevance).toBeNull();
      expect(target.index).toBe(b[k]!.target.index);
      expect(target.logit).toBeCloseTo(b[k]!.target.logit, 4);
    });
  });

  it("is at fault while a batch takes longer than any may, and no longer once it is done", async () => {
    const explainer = await createExplainer({ ...options(), stuckMs: 0 });
    expect(explainer.fault).toBeUndefined();
    const running = explainer.explain([frame(1)]);
    const asked = performance.now();
    while (performance.now() - asked < 0.1);
    expect(explainer.fault).toBe("the engine has not answered for 0 s");
    await running;
    expect(explainer.fault).toBeUndefined();
    await explainer.close();
  });

  it("gives nothing for nothing", async () => {
    expect(await (await start()).explain([])).toEqual([]);
  });

  it("finishes what is under way before it closes, and refuses what comes later", async () => {
    const explainer = await createExplainer(options());
    const running = explainer.explain([frame(1), frame(2)]);
    await explainer.close();
    expect(await running).toHaveLength(2);
    expect(explainer.fault).toBe("a thread of the engine has died");
    await expect(explainer.explain([frame(1)])).rejects.toThrow(VideoExplainerError);
    await explainer.close();
  });

  it("has no answer for a frame whose scores overflow, and says so, and answers for others", async () => {
    const large = { dims: [3, 1, 1], data: [1e38, 1e38, 1e38] };
    const loud = classifier([node("Mul", ["image", "k"], ["a"]), node("Mul", ["a", "ten"], ["y"])], {
      k: large,
      ten: { dims: [], data: [10] },
    });
    const at = join(folder, "loud");
    writeFileSync(`${at}.onnx`, loud);
    writeFileSync(`${at}.yaml`, "input: {mean: 127.5, std: 64}\n");
    const explainer = await start({ model: `${at}.onnx`, classifier: true });
    const quiet = frame(1);
    new Uint8Array(quiet.memory).fill(128);
    const bright = frame(2);
    new Uint8Array(bright.memory).fill(255);
    const [explained] = await explainer.explain([quiet]);
    expect(explained!.relevance!.positive - explained!.relevance!.negative).toBeCloseTo(1, 4);
    for (const classifyOnly of [false, true])
      await expect(explainer.explain([quiet, { ...bright, classifyOnly }])).rejects.toThrow(/too large for float32/);
    expect(await explainer.explain([quiet])).toEqual([explained]);
    const [one, failed, two] = await explainer.explainEach([quiet, bright, quiet]);
    expect([one, two]).toEqual([explained, explained]);
    expect(failed).toMatchObject({ code: "not-finite" });
    // Frames that are tried alone are under way as well.
    const retried = explainer.explainEach([quiet, bright]);
    await explainer.close();
    expect(await retried).toMatchObject([explained, { code: "not-finite" }]);
  });

  it("does not grow with the frames that it explains", async () => {
    const explainer = await start();
    const batch = [frame(1), frame(2, { classifyOnly: true }), frame(3)];
    const runs = async (count: number): Promise<number> => {
      for (let k = 0; k < count; k++) await explainer.explain(batch);
      return process.memoryUsage().rss / 2 ** 20;
    };
    const before = await runs(150);
    expect((await runs(500)) - before).toBeLessThan(60);
  });
});

describe("an explainer that cannot start says why", () => {
  it.each<[string, () => Partial<ExplainerOptions>, typeof InputError, RegExp]>([
    ["no model", () => ({ model: join(folder, "none") }), InputError, /does not exist/],
    ["a corrupt model", () => ({ model: join(folder, "corrupt.onnx") }), ModelError, /corrupt\.onnx: .* damaged/],
    [
      "a target out of range",
      () => ({ target: 4 }),
      InputError,
      /target class 4 does not exist: the model has classes 0 to 3/,
    ],
    [
      "an unknown method",
      () => ({ method: "magic" as never }),
      InputError,
      /known are r-lrp-graded, r-lrp-local, r-lrp, r-lrp-constant, r-lrp-absolute/,
    ],
    [
      "an unknown engine",
      () => ({ engine: "constructor" }),
      InputError,
      /engine "constructor" is not known; known are auto, openvino, onnxruntime/,
    ],
  ])("%s", async (_what, more, kind, reason) => {
    const error = await createExplainer({ ...options(), ...more() }).then(
      () => undefined,
      (e: unknown) => e as Error,
    );
    expect(error).toBeInstanceOf(kind);
    expect(error!.message).toMatch(reason);
  });

  it("a model without mean and std", async () => {
    const bare = join(folder, "bare");
    writeFileSync(`${bare}.onnx`, model);
    writeFileSync(`${bare}.yaml`, "name: bare");
    await expect(createExplainer({ ...options(), model: `${bare}.onnx` })).rejects.toThrow(
      /input\.mean and input\.std/,
    );
  });
});
