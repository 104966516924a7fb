import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { configSchema } from "../../src/config/schema.js";
import type { Explainer, ExplainInput, Explanation } from "../../src/explain/explanation.js";
import { silentLogger } from "../../src/log.js";
import { createMetrics } from "../../src/metrics/metrics.js";
import { explainPicture } from "../../src/one-shot/picture-job.js";
import type { OverlayRenderer } from "../../src/overlay/overlay.js";
import { PictureMemory } from "../../src/pictures/memory.js";
import { Settings } from "../../src/station/settings.js";
import type { Station } from "../../src/station/station.js";
import { StationControl } from "../../src/station/station-control.js";
import { temporaryFolder } from "../pipeline/helpers.js";

const MIB = 2 ** 20;

test("memory that was given back is taken again, the smallest that is large enough", () => {
  const pool = new PictureMemory(2);
  const [small, large] = [pool.take(5 * MIB), pool.take(20 * MIB)];
  expect(large).not.toBe(small);
  pool.give(large);
  pool.give(small);
  expect(pool.take(6 * MIB)).toBe(small);
  expect(pool.take(6 * MIB)).toBe(large);
  expect(pool.take(1).byteLength).toBeGreaterThanOrEqual(1);
});

test("pictures that grow a little each time leave no memory of each size behind", () => {
  const pool = new PictureMemory(1);
  const seen = new Set<SharedArrayBuffer>();
  for (let bytes = 5 * MIB; bytes < 40 * MIB; bytes += 100_000) {
    const memory = pool.take(bytes);
    expect(memory.byteLength).toBeGreaterThanOrEqual(bytes);
    seen.add(memory);
    pool.give(memory);
  }
  expect(seen.size).toBe(4);
});

test("no more pieces are kept than may be in use at a time, and those are the largest", () => {
  const pool = new PictureMemory(2);
  const taken = [5, 10, 20].map((mib) => pool.take(mib * MIB));
  for (const memory of taken) pool.give(memory);
  expect(new Set([pool.take(1), pool.take(1), pool.take(1)])).not.toContain(taken[0]);
});

const explanation: Explanation = {
  top: [{ index: 0, label: "bottle", probability: 1 }],
  target: { index: 0, label: "bottle", probability: 1, logit: 1 },
  relevance: {
    ...{ method: "r-lrp", positive: 1, negative: 0, concentration: 1, centroid: [0, 0], regions: [] },
    ...{ peakShare: 1, border: 0, inside: undefined, insideMask: undefined, density: [1] },
    ...{ grid: { rows: 1, columns: 1, values: [1] }, scale: 1, peak: 1, heatmap: new Uint8Array(64) },
  },
};
const model = {
  name: "m",
  sha256: "0",
  labels: [],
  inputWidth: 8,
  inputHeight: 8,
  channels: 3,
  fit: "stretch",
} as const;

/** Remembers the memory that it was shown; fails when told so. */
function engine() {
  const seen: SharedArrayBuffer[] = [];
  const fails = { explain: false, render: false };
  const explainer: Explainer = {
    ...{ model, engine: "none", device: "cpu", hasClassifier: false, fault: undefined, explainEach: async () => [] },
    async explain([input]: readonly ExplainInput[]) {
      seen.push(input!.memory);
      if (fails.explain) throw new Error("the engine died");
      return [explanation];
    },
    async close() {},
  };
  const renderer: OverlayRenderer = {
    async render() {
      if (fails.render) throw new Error("the overlay thread died");
      return { overlay: new Uint8Array(1), heatmap: new Uint8Array(1), milliseconds: 0 };
    },
    async close() {},
  };
  return { seen, fails, explainer, renderer };
}

const config = configSchema.parse({ model: { path: "m" }, sources: [], sinks: [{ kind: "stdout" }] });
const picture = (side: number) => sharp({ create: { width: side, height: side, channels: 3, background: "#446" } });

async function expectReuse(explain: () => Promise<unknown>, { seen, fails }: ReturnType<typeof engine>): Promise<void> {
  await explain();
  await explain();
  expect(seen[1]).toBe(seen[0]);
  for (const part of ["explain", "render"] as const) {
    fails[part] = true;
    const held = seen.at(-1);
    await expect(explain()).rejects.toThrow(/died/);
    expect(seen.at(-1)).toBe(held);
    fails[part] = false;
    await explain();
    // A thread may still be reading what it failed on.
    expect(seen.at(-1)).not.toBe(held);
  }
}

test("pictures that are asked for share their memory, and what an engine or overlay failed on is not used again", async () => {
  const made = engine();
  const { explainer, renderer } = made;
  const unused = { createExplainer: async () => explainer, retire: async () => {}, log: silentLogger };
  const settings = new Settings({ ...config, explainer }, unused);
  // Of it nothing is asked here.
  const station = {} as Station;
  const control = new StationControl({ station, config, settings, renderer, baseDir: "/" });
  const bytes = await picture(64).jpeg().toBuffer();
  await expectReuse(() => control.explain(bytes), made);
});

test("pictures of one call share their memory, and what an engine or overlay failed on is not used again", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "a.png");
  await picture(64).toFile(path);
  const made = engine();
  const { explainer, renderer } = made;
  const of = { ...config, explainer, renderer, metrics: createMetrics(), memory: new PictureMemory(2) };
  const outputs = { explained: join(folder, "a.explained.jpg"), summaries: join(folder, "a.summaries.jsonl") };
  const job = { path, shown: "a.png", picture: true, outputs };
  await expectReuse(() => explainPicture(job, of, new AbortController().signal), made);
});
