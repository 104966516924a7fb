/**
 * Memory of a live page whose strips of decisions are full.
 *
 *   npm run build && node bench/strip.mjs [--sources 16] [--minutes 10] [--rate 10]
 *
 * Each source gives summaries with overlay, heatmap and original at that rate, of a class that changes now and then; what is kept of
 * them is what a worker keeps. No model runs: its memory would hide what the page takes. Prints a line each 15 s.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { viewerSinkSchema } from "../dist/config/schema.js";
import { makeMessage } from "../dist/messages/headers.js";
import { createViewerSink } from "../dist/sinks/viewer/index.js";

const { values } = parseArgs({
  options: {
    sources: { type: "string", default: "16" },
    minutes: { type: "string", default: "10" },
    rate: { type: "string", default: "10" },
  },
});
const [sources, minutes, rate] = [values.sources, values.minutes, values.rate].map(Number);
const CLASSES = ["ok", "ok", "ok", "scratch", "ok", "dent"];
const PICTURES = 40;

const folder = mkdtempSync(join(tmpdir(), "strip-"));
const film = new URL("../assets/media/bottles.mp4", import.meta.url).pathname;
const to = join(folder, "%03d.jpg");
execFileSync("ffmpeg", ["-v", "error", "-i", film, "-vf", "fps=2", "-frames:v", `${PICTURES}`, "-q:v", "4", to]);
const pictures = readdirSync(folder)
  .sort()
  .map((name) => readFileSync(join(folder, name)));
rmSync(folder, { recursive: true });

const nothing = () => undefined;
const events = {
  onPublished: nothing,
  onError: (error) => console.error(error.message),
  onDropped: nothing,
  onConnected: nothing,
};
const log = { debug: nothing, info: console.log, warn: console.warn, error: console.error };
// One of a second: the strips are full after a minute, and everything in them has been replaced ten times by the end.
const config = viewerSinkSchema.parse({ kind: "viewer", port: 0, decisions: { everySeconds: 1 } });
const sink = createViewerSink(config, { station: "hall", events, log, baseDir: "." });
await sink.connect();

/** @param {string} source @param {number} sequence @param {string} label @returns {import("../dist/messages/summary.js").Summary} */
const summaryOf = (source, sequence, label) => {
  const time = new Date().toISOString();
  const target = { index: 0, label, probability: 0.9 };
  return {
    ...{
      schema: "explanation-summary/1",
      id: `hall-${source}-0-${sequence}-summary`,
      station: "hall",
      source,
      sequence,
    },
    ...{ capturedAt: time, publishedAt: time, pts: sequence / rate, frame: { width: 640, height: 360 } },
    model: { name: "none", sha256: "0".repeat(64), engine: "none" },
    classification: { top: [target], target: { ...target, logit: 3 } },
    relevance: {
      ...{ method: "none", positive: 0.6, negative: -0.4, concentration: 0.5, centroid: [320, 180], scale: 0.001 },
      grid: { rows: 8, columns: 8, values: Array(64).fill(1 / 64) },
      regions: [],
    },
    timing: { queueMs: 1, explainMs: 1, overlayMs: 1, totalMs: 3, batchSize: 1 },
  };
};

/** @param {string} source @param {number} sequence @returns {import("../dist/messages/message.js").FrameOutcome} */
const frame = (source, sequence) => {
  const label = CLASSES[Math.floor(sequence / (7 * rate)) % CLASSES.length];
  const summary = summaryOf(source, sequence, label);
  const picture = pictures[sequence % pictures.length];
  /** @type {Omit<Parameters<typeof makeMessage>[0], "kind" | "body">} */
  const common = { station: "hall", source, epoch: 0, sequence, time: summary.capturedAt, whenFull: "drop" };
  const upcoming = { sequence, label, explained: true };
  const isDrawn = sink.wantsOverlay?.(source, upcoming);
  const isShown = sink.wantsOriginal?.(source, upcoming);
  const messages = [
    makeMessage({ ...common, kind: "summary", body: Buffer.from(JSON.stringify(summary)) }),
    // Any picture stands for the heat.
    makeMessage({ ...common, kind: "heatmap", body: Buffer.from(picture.subarray(0, 12_000)) }),
    // A copy each, as the threads that draw give them.
    ...(isDrawn ? [makeMessage({ ...common, kind: "overlay", body: Buffer.from(picture) })] : []),
  ];
  return { source, summary, messages, original: isShown ? Buffer.from(picture) : undefined };
};

const began = performance.now();
const until = began + minutes * 60_000;
const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(0);
console.log("seconds,rss MiB,heap MiB,outside MiB,decisions");
let told = -Infinity;
for (let sequence = 0; performance.now() < until; sequence++) {
  const next = began + (sequence * 1000) / rate;
  for (let i = 0; i < sources; i++) await sink.write(frame(`cam-${i + 1}`, sequence));
  if (performance.now() - told > 15_000) {
    told = performance.now();
    const answer = await fetch(new URL("decisions.json?limit=1000", sink.url));
    const { decisions } = /** @type {{ decisions: unknown[] }} */ (await answer.json());
    const { rss, heapUsed, external } = process.memoryUsage();
    console.log(
      [((told - began) / 1000).toFixed(0), ...[rss, heapUsed, external].map(mebibytes), decisions.length].join(),
    );
  }
  await sleep(Math.max(0, next - performance.now()));
}
await sink.close(1000);
