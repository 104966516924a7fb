import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configSchema, filesSinkSchema, sourceSchema } from "../../src/config/schema.js";
import type { Explainer, ExplainInput } from "../../src/explain/explanation.js";
import { createExplainer } from "../../src/explain/runtime/explainer.js";
import { silentLogger } from "../../src/log.js";
import type { LedgerSnapshot } from "../../src/messages/ledger.js";
import type { Summary } from "../../src/messages/summary.js";
import { createMetrics } from "../../src/metrics/metrics.js";
import { createOverlayRenderer } from "../../src/overlay/renderer.js";
import { createFilesSink } from "../../src/sinks/files.js";
import { defaultEngine, explainerOptions } from "../../src/station/explainer-options.js";
import { Station } from "../../src/station/station.js";
import { RecordingSink } from "../station/support/stage.js";
import { temporaryFolder } from "../support/folders.js";
import { recordingContext } from "../support/sinks.js";
import { readSummary } from "./topics.js";
import { BOTTLES, EFFICIENTNET, REGION } from "./worker.js";

/** What the classifier says of the watched region while no bottle stands in it. */
const REJECTS = ["bathtub", "studio couch"];
const WHEN = { labels: REJECTS, changed: true };

/** The same explainer, with the frames of each of its runs written down: classified, explained. */
function counted(explainer: Explainer) {
  const runs: { classified: number; explained: number }[] = [];
  const count = (batch: readonly ExplainInput[]): void => {
    const classified = batch.filter(({ classifyOnly }) => classifyOnly).length;
    runs.push({ classified, explained: batch.length - classified });
  };
  const counting: Explainer = Object.create(explainer, {
    explainEach: {
      value: (batch: readonly ExplainInput[]) => {
        count(batch);
        return explainer.explainEach(batch);
      },
    },
  });
  return { counting, runs };
}

let summaries: Summary[];
let ledger: LedgerSnapshot;
let metrics: string;
let runs: { classified: number; explained: number }[];
const folder = temporaryFolder();
const isReject = ({ classification }: Summary): boolean => REJECTS.includes(classification.top[0]!.label);

beforeAll(async () => {
  const { shape } = configSchema;
  const explain = shape.explain.parse({ when: WHEN });
  const explainer = await createExplainer(explainerOptions({ model: EFFICIENTNET, explain, engine: defaultEngine() }));
  const renderer = createOverlayRenderer();
  const { counting, runs: written } = counted(explainer);
  runs = written;
  const publish = ["summary", "overlay", "heatmap", "original"];
  const kept = createFilesSink(
    filesSinkSchema.parse({ kind: "files", path: "kept", publish }),
    recordingContext(folder).context,
  );
  await kept.connect();
  const all = new RecordingSink("all", { kinds: ["summary"] });
  const counts = createMetrics();
  const station = new Station({
    ...{ station: "line", baseDir: "/", log: silentLogger, metrics: counts, renderer, sinks: [all, kept] },
    batches: { maxBatch: 8, maxWaitMs: 20 },
    only: new Map([["files", { labels: REJECTS }]]),
    sources: [sourceSchema.parse({ name: "belt", url: BOTTLES, fps: 3, policy: "every-frame", region: REGION })],
    settings: {
      current: {
        ...{ explainer: counting, explain },
        ...{ overlay: shape.overlay.parse(undefined), warnings: shape.warnings.parse(undefined) },
      },
    },
  });
  const { faults } = await station.run();
  expect(faults).toEqual([]);
  ledger = station.total();
  metrics = await counts.render();
  await renderer.close();
  await explainer.close();
  summaries = all.outcomes.flatMap(({ summary }) => summary ?? []);
}, 180_000);
afterAll(() => {
  const explained = summaries.filter(({ relevance }) => relevance);
  console.log(
    `${explained.length} of ${summaries.length} frames explained, ${summaries.filter(isReject).length} of them rejects`,
  );
});

describe("a film of which only some frames are worth explaining", () => {
  it("has each reject and each change explained, and nothing else", () => {
    const decisions = summaries.map(({ classification }) => classification.top[0]!.index);
    const changes = decisions.map((decision, i) => decision !== decisions[i - 1]);
    const reasons = summaries.map((summary, i) => [
      ...(changes[i] ? ["changed"] : []),
      ...(isReject(summary) ? ["labels"] : []),
    ]);
    expect(summaries.map(({ why = [] }) => why)).toEqual(reasons);
    expect(summaries.map(({ relevance }) => relevance !== null)).toEqual(reasons.map((why) => why.length > 0));
    expect(summaries.filter(isReject).length).toBeGreaterThan(3);
  });

  it("has an exact ledger, each frame once and in order", () => {
    const explained = summaries.filter(({ relevance }) => relevance).length;
    expect(summaries.map(({ sequence }) => sequence)).toEqual(summaries.map((_, i) => i));
    expect(ledger).toEqual({
      ...{ captured: summaries.length, explained, classified: summaries.length - explained, dropped: {}, inFlight: 0 },
    });
  });

  it("costs one classification a frame, and an explanation for those that are chosen alone", () => {
    const sum = (of: "classified" | "explained"): number => runs.reduce((total, run) => total + run[of], 0);
    const chosen = summaries.filter(({ why }) => why).length;
    expect([sum("classified"), sum("explained")]).toEqual([summaries.length, chosen]);
    expect(chosen).toBeLessThan(summaries.length / 3);
    // As batches: none is explained that has no chosen frame.
    expect(runs.filter(({ explained }) => explained > 0).length).toBeLessThan(runs.length / 2);
  });

  it("leaves of each reject, and of no other frame, summary, original, overlay and heatmap in the folder", async () => {
    const at = join(folder, "kept", "belt");
    const names = readdirSync(at);
    const lines = readFileSync(join(at, "summaries.jsonl"), "utf8").trimEnd().split("\n").map(readSummary);
    expect(lines).toEqual(summaries.filter(isReject));
    const numbers = lines.map(({ sequence }) => String(sequence).padStart(10, "0"));
    for (const ending of [".jpg", ".png", "-original.jpg"]) {
      const found = names.flatMap((name) => (name.slice(30) === ending ? [name.slice(20, 30)] : []));
      expect(found.toSorted(), ending).toEqual(numbers);
    }
    const original = names.find((name) => name.endsWith("-original.jpg"))!;
    const overlay = original.replace("-original", "");
    const [plain, heated] = await Promise.all(
      [original, overlay].map((name) => sharp(join(at, name)).raw().toBuffer()),
    );
    expect(plain!.length).toBe(640 * 360 * 3);
    expect(plain!.equals(heated!)).toBe(false);
    expect(metrics).toContain(
      `video_explainer_frames_skipped_total{sink="files"} ${summaries.length - lines.length}\n`,
    );
  });
});
