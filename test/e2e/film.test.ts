import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Summary } from "../../src/messages/summary.js";
import { probedTimes } from "../pipeline/helpers.js";
import { expectExactLedgers } from "../support/ledgers.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { BOTTLE, BOTTLE_STANDS, type Box, isIn, NO_BOTTLE, overlapOf } from "./bottle.js";
import { type Published, publishedBy, upTo } from "./topics.js";
import { BOTTLES, EFFICIENTNET, REGION, startWorker, type Worker } from "./worker.js";

let server: NatsServer;
let worker: Worker;
let published: Published;
let seconds: number;
const times = probedTimes(BOTTLES);
const relevanceOf = (s: Summary) => s.relevance!;
const share = (summaries: readonly Summary[], holds: (s: Summary) => boolean): number =>
  summaries.filter(holds).length / summaries.length;
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true });
  const startedAt = performance.now();
  worker = startWorker({
    station: "film",
    model: EFFICIENTNET,
    sources: [{ name: "belt", url: BOTTLES, policy: "every-frame", region: REGION }],
    sinks: [{ kind: "nats", servers: [server.url], jetstream: true }],
  });
  const { code } = await worker.ended;
  seconds = (performance.now() - startedAt) / 1000;
  expect(code, worker.said.join("\n")).toBe(0);
  published = await publishedBy(server.url, "film", "belt");
}, 300_000);
afterAll(() => server?.stop());

describe("a whole film explained into JetStream", () => {
  it("gives one valid summary a frame, in order, none twice, with the film's own times", () => {
    const { summaries } = published;
    expect(summaries.map((s) => s.sequence)).toEqual(upTo(times.length));
    expect(new Set(summaries.map((s) => s.id)).size).toBe(times.length);
    const off = Math.max(...summaries.map((s, i) => Math.abs(s.pts - times[i]!)));
    console.log(
      `${summaries.length} summaries of ${times.length} frames, ${seconds.toFixed(1)} s with start and end; times off by ${off} s at most`,
    );
    expect(off).toBeLessThan(1e-5);
    for (const [i, s] of summaries.entries()) {
      const elapsed = Date.parse(s.capturedAt) - Date.parse(summaries[0]!.capturedAt);
      expect(Math.abs(elapsed - 1000 * (times[i]! - times[0]!))).toBeLessThanOrEqual(1);
    }
  });

  it("finds the water bottle", () => {
    const { summaries } = published;
    const bottles = (of: readonly Summary[]) =>
      share(of, (s) => s.classification.top[0]!.label.split(",").includes("water bottle"));
    const empty = summaries.slice(NO_BOTTLE.from, NO_BOTTLE.to);
    console.log(
      `water bottle on top in ${percent(bottles(summaries))} of frames, ${percent(bottles(empty))} of those without one`,
    );
    expect(bottles(summaries)).toBeGreaterThanOrEqual(0.7);
    expect(bottles(empty)).toBeLessThan(0.5);
    for (const { classification } of summaries) {
      const probabilities = classification.top.map((t) => t.probability);
      expect(probabilities).toEqual([...probabilities].sort((a, b) => b - a));
      expect(classification.target).toMatchObject(classification.top[0]!);
    }
  });

  it("shares out each decision whole, and puts it on the bottle", () => {
    const { summaries } = published;
    const worst = Math.max(...summaries.map(relevanceOf).map((r) => Math.abs(r.positive - r.negative - 1)));
    const grid = Math.max(
      ...summaries
        .map(relevanceOf)
        .map((r) => Math.abs(r.grid.values.reduce((a, b) => a + b, 0) - r.positive - r.negative)),
    );
    const standing = summaries.slice(0, BOTTLE_STANDS);
    const inside = share(standing, (s) => isIn(relevanceOf(s).centroid, BOTTLE));
    const largest = share(standing, (s) => overlapOf(relevanceOf(s).regions[0]!, BOTTLE) > 0);
    const held = standing.map((s) => gridShareIn(s, BOTTLE)).reduce((a, b) => a + b, 0) / standing.length;
    const part = (BOTTLE.width * BOTTLE.height) / (REGION.width * REGION.height);
    console.log(
      `Σ|R| off 1 by ${worst.toExponential(1)} at most, the grid's sum by ${grid.toExponential(1)}; ` +
        `the centroid on the bottle in ${percent(inside)} of frames, the largest region meets it in ${percent(largest)}; ` +
        `the bottle's ${percent(part)} of the region bear ${percent(held)} of |R|`,
    );
    expect(worst).toBeLessThanOrEqual(1e-3);
    expect(grid).toBeLessThanOrEqual(1e-3);
    expect(largest).toBeGreaterThan(0.95);
    expect(inside).toBeGreaterThan(0.9);
    expect(held).toBeGreaterThan(2 * part);
    for (const { relevance, frame } of summaries) {
      expect(frame).toEqual({ width: 640, height: 360 });
      expect(isIn(relevance!.centroid, REGION)).toBe(true);
      expect(relevance!.regions.length).toBeGreaterThan(0);
      for (const region of relevance!.regions) {
        expect(overlapOf(region, REGION)).toBeCloseTo(region.width * region.height, 3);
      }
      const shares = relevance!.regions.map((r) => r.share);
      expect(shares).toEqual([...shares].sort((a, b) => b - a));
    }
  });

  it("publishes an overlay and a heatmap for each, with the headers that name them, and a scale that does not jump", async () => {
    const { of, summaries } = published;
    for (const kind of ["summary", "overlay", "heatmap"] as const) {
      expect(of[kind].map((m) => m.headers["Frame-Sequence"])).toEqual(upTo(times.length).map(String));
    }
    const epoch = /^film-belt-(\d+)-0-summary$/.exec(of.summary[0]!.id)![1];
    const types = { summary: "application/json", overlay: "image/jpeg", heatmap: "image/png" };
    for (const [i, summary] of summaries.entries()) {
      for (const kind of ["summary", "overlay", "heatmap"] as const) {
        const { headers } = of[kind][i]!;
        expect(headers).toMatchObject({
          "Nats-Msg-Id": `film-belt-${epoch}-${i}-${kind}`,
          "Content-Type": types[kind],
          "Frame-Time": summary.capturedAt,
          Schema: `explanation-${kind}/1`,
        });
        if (kind !== "summary") expect(Number(headers["Relevance-Scale"])).toBe(summary.relevance!.scale);
      }
    }
    const scales = summaries.map((s) => relevanceOf(s).scale);
    const jumps = scales.slice(1).map((scale, i) => Math.abs(scale / scales[i]! - 1));
    expect(Math.max(...jumps)).toBeLessThan(0.5);
    for (const i of [0, 1, 500, times.length - 1]) {
      expect(await sharp(of.overlay[i]!.body).metadata()).toMatchObject({ format: "jpeg", width: 640, height: 360 });
      const heatmap = await sharp(of.heatmap[i]!.body).metadata();
      expect(heatmap).toMatchObject({ format: "png", width: 224, height: 224, space: "b-w", depth: "uchar" });
    }
    const kibibytes = (kind: "overlay" | "heatmap") =>
      (of[kind].reduce((sum, m) => sum + m.body.length, 0) / times.length / 1024).toFixed(1);
    console.log(
      `overlays of ${kibibytes("overlay")} KiB, heatmaps of ${kibibytes("heatmap")} KiB, the scale moves ${percent(Math.max(...jumps))} at most`,
    );
  });

  it("accounts for every frame in every status, and in the last one for all", () => {
    const { statuses } = published;
    expectExactLedgers(statuses);
    expect(statuses[0]).toMatchObject({ state: "connecting", restarts: 0 });
    expect(statuses.map((s) => s.state)).toContain("live");
    expect(statuses.at(-1)).toMatchObject({
      state: "ended",
      reason: null,
      ledger: { captured: times.length, explained: times.length, classified: 0, dropped: {}, inFlight: 0 },
    });
    expect(worker.stdout).toBe("");
    expect(worker.said).toEqual([]);
    expect(worker.log.filter((l) => l.level !== "info")).toEqual([]);
  });
});

/** Share of |R| that the grid's cells hold in a box, cells at its edge in proportion. Signs within a cell cancel. */
function gridShareIn(summary: Summary, box: Box): number {
  const { rows, columns, values } = relevanceOf(summary).grid;
  const [width, height] = [REGION.width / columns, REGION.height / rows];
  const cell = (i: number): Box => ({
    x: REGION.x + (i % columns) * width,
    y: REGION.y + Math.floor(i / columns) * height,
    width,
    height,
  });
  const total = values.reduce((sum, v) => sum + Math.abs(v), 0);
  return values.reduce((sum, v, i) => sum + (Math.abs(v) * overlapOf(cell(i), box)) / (width * height), 0) / total;
}
