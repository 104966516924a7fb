/**
 * Many cameras on one worker: are all served alike, how late is a result, what does it hold?
 *
 *   npm run build && node bench/cameras.mjs [--cameras 16] [--fps 10] [--every 10] [--seconds 60] [--model models/inspection-cnn]
 *                                           [--transport rtsp|ts] [--json FILE]
 *
 * Cameras are real and run on the same machine: 640x360 H.264 over RTSP (GStreamer, test/faults/camera.py) or MPEG-TS over
 * TCP (ffmpeg). The worker publishes summaries with JetStream to a real nats-server; a subscriber looks at its watch.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "nats";
import { stringify } from "yaml";
import { wholeNumbers } from "./whole-numbers.mjs";

const root = resolve(import.meta.dirname, "..");
const { values: args } = parseArgs({
  options: {
    cameras: { type: "string", default: "16" },
    fps: { type: "string", default: "10" },
    every: { type: "string", default: "10" },
    seconds: { type: "string", default: "60" },
    model: { type: "string", default: join(root, "models/inspection-cnn") },
    transport: { type: "string", default: "rtsp" },
    json: { type: "string" },
  },
});
const [count, fps, every, seconds] = wholeNumbers(args, ["cameras", "fps", "every", "seconds"]);
if (!["rtsp", "ts"].includes(args.transport)) {
  console.error(`--transport ${args.transport} is neither rtsp nor ts.`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "cameras-"));
/** @type {import("node:child_process").ChildProcess[]} */
const children = [];
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
process.on("SIGINT", () => process.exit(130));

/**
 * @param {string} program
 * @param {string[]} words
 * @param {import("node:child_process").StdioOptions} [stdio]
 */
function start(program, words, stdio = "pipe") {
  const child = spawn(program, words, { stdio });
  child.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
    console.error(`${program} does not start (${error.code}); npm test installs what is needed here.`);
    process.exit(1);
  });
  children.push(child);
  return child;
}
const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => done(port));
    });
  });

async function startCamera(port) {
  if (args.transport === "ts") {
    const picture = `testsrc2=size=640x360:rate=${fps}`;
    const encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", String(fps)];
    const target = `tcp://127.0.0.1:${port}?listen=1`;
    start("ffmpeg", ["-v", "error", "-re", "-f", "lavfi", "-i", picture, ...encoder, "-f", "mpegts", target], "ignore");
    return `tcp://127.0.0.1:${port}`;
  }
  const child = start("/usr/bin/python3", [join(root, "test/faults/camera.py"), String(port), String(fps)]);
  await new Promise((ready) => child.stdout?.once("data", ready));
  return `rtsp://127.0.0.1:${port}/cam`;
}

/** Fields of `/proc/PID/stat` behind the name, of all processes there are. */
function allProcesses() {
  const found = new Map();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      found.set(Number(name), stat.slice(stat.lastIndexOf(")") + 2).split(" "));
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}
/** Seconds of CPU that the worker has used, and all that descend from it: ffmpeg is started by a process of the worker's. */
function cpuOfTree() {
  const all = allProcesses();
  const parent = (pid) => Number(all.get(pid)?.[1]);
  const isOurs = (pid) => pid === worker.pid || (all.has(pid) && isOurs(parent(pid)));
  // With that of children that have ended: a camera that came anew has another ffmpeg.
  const seconds = (fields) => fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
  return [...all].reduce((sum, [pid, fields]) => (isOurs(pid) ? sum + seconds(fields) : sum), 0);
}
const rssMiB = () => (Number(allProcesses().get(worker.pid)?.[21]) * 4096) / 2 ** 20;
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;

const natsPort = await freePort();
start("nats-server", ["-a", "127.0.0.1", "-p", String(natsPort), "-js", "-sd", join(folder, "js")], "ignore");
const urls = [];
for (let i = 0; i < count; i++) urls.push(await startCamera(await freePort()));
// Those over TCP serve one connection only: the look at one, where its size is not known, would be all that it ever serves.
const size = args.transport === "ts" ? { width: 640, height: 360 } : {};
const config = join(folder, "config.yaml");
writeFileSync(
  config,
  stringify({
    station: "bench",
    model: { path: resolve(args.model) },
    engine: { maxBatch: count },
    explain: { every },
    sources: urls.map((url, i) => ({ name: `cam-${i + 1}`, url, ...size })),
    sinks: [
      {
        kind: "nats",
        servers: [`nats://127.0.0.1:${natsPort}`],
        jetstream: true,
        publish: ["summary", "overlay", "heatmap", "status"],
      },
    ],
    metrics: { port: 0 },
  }),
);
const worker = start(process.execPath, [join(root, "dist/cli/main.js"), "run", config], ["ignore", "ignore", "pipe"]);
let log = "";
worker.stderr?.setEncoding("utf8").on("data", (text) => {
  log += text;
});
worker.on("exit", (code) => {
  if (code) console.error(log.trimEnd().split("\n").at(-1));
});
const until = async (what, holds) => {
  for (let i = 0; i < 600; i++) {
    if (await holds()) return;
    if (worker.exitCode !== null) process.exit(1);
    await sleep(100);
  }
  console.error(`in vain waited a minute for ${what}`);
  process.exit(1);
};
await until("the worker", () => /metrics: (http:\S+)\/metrics/.test(log));
const metricsUrl = /metrics: (http:\S+\/metrics)/.exec(log)?.[1] ?? "";
async function scrape() {
  const found = new Map();
  for (const line of (await (await fetch(metricsUrl)).text()).split("\n")) {
    const match = /^video_explainer_(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match) found.set(`${match[1]} ${match[2] ?? ""}`, Number(match[3]));
  }
  return (name, labels = "") =>
    [...found].reduce((sum, [key, value]) => {
      const [n, l] = [key.slice(0, key.indexOf(" ")), key.slice(key.indexOf(" ") + 1)];
      return n === name && l.includes(labels) ? sum + value : sum;
    }, 0);
}
await until("every camera", async () => (await scrape())("source_state", 'state="live"') === count);
await sleep(5000);

const nc = await connect({ servers: `127.0.0.1:${natsPort}` });
const late = [];
const inWorker = [];
nc.subscribe("explain.bench.*.summary", {
  callback: (_error, message) => {
    const now = Date.now();
    const { capturedAt, publishedAt, timing } = message.json();
    late.push(now - Date.parse(capturedAt));
    inWorker.push(timing.totalMs + now - Date.parse(publishedAt));
  },
});
await nc.flush();
const [before, usedBefore, began] = [await scrape(), cpuOfTree(), performance.now()];
late.length = 0;
inWorker.length = 0;
const samples = [];
for (let i = 0; i < seconds; i++) {
  await sleep(1000);
  samples.push(rssMiB());
}
const [after, usedAfter, took] = [await scrape(), cpuOfTree(), (performance.now() - began) / 1000];
await nc.close();

const names = urls.map((_, i) => `source="cam-${i + 1}"`);
const gained = (name, labels) => after(name, labels) - before(name, labels);
const rates = names.map(
  (name) => (gained("frames_explained_total", name) + gained("frames_classified_total", name)) / took,
);
const mean = rates.reduce((a, b) => a + b, 0) / count;
const exact = names.every(
  (name) =>
    after("frames_captured_total", name) ===
    after("frames_explained_total", name) +
      after("frames_classified_total", name) +
      after("frames_dropped_total", name) +
      after("frames_in_flight", name),
);
const [sortedLate, sortedIn] = [late, inWorker].map((list) => [...list].sort((a, b) => a - b));
const ownShare = (usedAfter - usedBefore) / took;
const report = {
  machine: `${cpus()[0].model.trim()}, ${cpus().length} cores`,
  cameras: count,
  transport: args.transport,
  fps,
  every,
  seconds: Math.round(took),
  model: args.model.split("/").at(-1),
  capturedPerSecond: gained("station_frames_total", 'outcome="captured"') / took,
  explainedPerSecond: gained("station_frames_total", 'outcome="explained"') / took,
  classifiedPerSecond: gained("station_frames_total", 'outcome="classified"') / took,
  droppedPerSecond: gained("station_frames_total", 'outcome="dropped"') / took,
  ledgerExact: exact,
  leastOverMean: Math.min(...rates) / mean,
  mostOverMean: Math.max(...rates) / mean,
  endToEndMs: { p50: quantile(sortedIn, 0.5), p99: quantile(sortedIn, 0.99), most: sortedIn.at(-1) },
  afterCaptureMs: { p50: quantile(sortedLate, 0.5), p99: quantile(sortedLate, 0.99) },
  cpuSecondsPerSecond: ownShare,
  rssMiB: { first: samples[0], last: samples.at(-1), most: Math.max(...samples) },
};
const n = (value, digits = 1) => value.toFixed(digits);
console.log(
  [
    `${count} cameras over ${args.transport}, ${fps} frames/s, 640x360, ${report.model}, each ${every}th frame explained, ${report.seconds} s, ${report.machine}`,
    `captured ${n(report.capturedPerSecond)}/s, classified ${n(report.classifiedPerSecond)}/s, explained ${n(report.explainedPerSecond)}/s, dropped ${n(report.droppedPerSecond, 2)}/s; ledger ${exact ? "exact" : "NOT EXACT"}`,
    `least and most served camera: ${n(100 * report.leastOverMean)} % and ${n(100 * report.mostOverMean)} % of the mean`,
    `from a frame's arrival to its subscriber: p50 ${n(report.endToEndMs.p50, 0)} ms, p99 ${n(report.endToEndMs.p99, 0)} ms, most ${n(report.endToEndMs.most, 0)} ms; from its capture p50 ${n(report.afterCaptureMs.p50, 0)} ms, p99 ${n(report.afterCaptureMs.p99, 0)} ms`,
    `worker and its ffmpegs: ${n(ownShare, 2)} cores; resident memory of the worker ${n(report.rssMiB.first, 0)} MiB at first, ${n(report.rssMiB.last, 0)} at last, ${n(report.rssMiB.most, 0)} at most`,
  ].join("\n"),
);
if (args.json) writeFileSync(args.json, `${JSON.stringify(report, null, 2)}\n`);
worker.kill("SIGTERM");
await new Promise((gone) => worker.once("exit", gone));
process.exit(0);
