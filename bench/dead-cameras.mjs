/**
 * Dead cameras beside live ones on one worker: what do those that fail, again and again, cost the others?
 *
 *   npm run build && node bench/dead-cameras.mjs [--dead 500] [--live 8] [--fps 5] [--seconds 60] [--model models/inspection-cnn]
 *                                                [--dist dist] [--json FILE]
 *
 * Live ones are MJPEG cameras over HTTP, 320x240. Of the dead ones a third refuses the connection, a third accepts it and says
 * nothing, a third accepts and closes; half of them are RTSP, half HTTP. The worker runs twice, without the dead and with them from
 * its start on; `--dist` names another build, for figures before a change. A run is measured once every live camera is live.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { cpus, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { stringify } from "yaml";
import { wholeNumbers } from "./whole-numbers.mjs";

/** What the worker loads first: it measures the delay of its event loop when it is told to. */
const DELAYS = `
import { monitorEventLoopDelay } from "node:perf_hooks";
const histogram = monitorEventLoopDelay({ resolution: 1 });
process.on("message", (word) => {
  if (word === "begin") { histogram.reset(); histogram.enable(); return; }
  histogram.disable();
  const ms = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - 1);
  process.send({ p50: ms(histogram.percentile(50)), p99: ms(histogram.percentile(99)), max: ms(histogram.max) });
});
// Its threads load this, too.
process.channel?.unref();
`;

/** The cameras have a thread of their own: how late they send must not depend on how much is measured. */
if (!isMainThread) {
  serveCameras(workerData);
} else {
  await main();
}

/** Live ones each send `fps` pictures a second; dead ones accept and say nothing, or close at once. */
function serveCameras({ jpegs, live, fps }) {
  const listen = (server) => new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));
  const camera = () => {
    const open = new Set();
    let next = 0;
    setInterval(() => {
      const jpeg = jpegs[next++ % jpegs.length];
      const head = `--part\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.length}\r\n\r\n`;
      for (const response of open) response.write(Buffer.concat([Buffer.from(head), jpeg, Buffer.from("\r\n")]));
    }, 1000 / fps);
    return createHttpServer((_request, response) => {
      response.writeHead(200, { "Content-Type": "multipart/x-mixed-replace;boundary=part" });
      open.add(response);
      response.on("close", () => open.delete(response));
    });
  };
  const quiet = (then) => createServer((socket) => then(socket.on("error", () => {})));
  const servers = [...Array.from({ length: live }, camera), quiet(() => {}), quiet((socket) => socket.destroy())];
  void Promise.all(servers.map(listen)).then((ports) => parentPort?.postMessage(ports));
}

async function main() {
  const root = resolve(import.meta.dirname, "..");
  const { values: args } = parseArgs({
    options: {
      dead: { type: "string", default: "500" },
      live: { type: "string", default: "8" },
      fps: { type: "string", default: "5" },
      seconds: { type: "string", default: "60" },
      model: { type: "string", default: join(root, "models/inspection-cnn") },
      dist: { type: "string", default: join(root, "dist") },
      json: { type: "string" },
    },
  });
  const [dead, live, fps, seconds] = wholeNumbers(args, ["dead", "live", "fps", "seconds"]);
  const folder = mkdtempSync(join(tmpdir(), "dead-cameras-"));
  let worker;
  process.on("exit", () => {
    worker?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  process.on("SIGINT", () => process.exit(130));

  const pictures = ["-v", "error", "-f", "lavfi", "-i", `testsrc2=size=320x240:rate=${fps}`, "-frames:v", "40"];
  execFileSync("ffmpeg", [...pictures, "-q:v", "5", join(folder, "%03d.jpg")]);
  const jpegs = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
  const ports = await new Promise((done) => {
    const cameras = new Worker(new URL(import.meta.url), { workerData: { jpegs, live, fps } });
    cameras.once("message", done);
  });
  const [silentPort, closingPort] = ports.slice(live);
  // Nobody listens on what was free a moment ago.
  const refusing = await new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => done(port));
    });
  });
  const liveOnes = ports
    .slice(0, live)
    .map((port, i) => ({ name: `live-${i}`, url: `http://127.0.0.1:${port}/mjpeg` }));
  const deadOnes = Array.from({ length: dead }, (_, i) => {
    const port = [refusing, silentPort, closingPort][i % 3];
    return { name: `dead-${i}`, url: `${i % 2 ? "rtsp" : "http"}://127.0.0.1:${port}/${i}` };
  });
  // Not in a row: no order of theirs shall help.
  const mixed = [...deadOnes];
  for (const [i, one] of liveOnes.entries()) mixed.splice(Math.floor(((i + 1) * mixed.length) / (live + 1)), 0, one);

  /** One run of the worker over these sources. */
  async function measure(sources) {
    const config = join(folder, "config.yaml");
    const sinks = [{ kind: "stdout", publish: ["summary"] }];
    const metrics = { port: 0 };
    const engine = { kind: "onnxruntime", maxBatch: live };
    const model = { path: resolve(args.model) };
    writeFileSync(config, stringify({ station: "bench", model, engine, sources, sinks, metrics }));
    const delays = join(folder, "delays.mjs");
    writeFileSync(delays, DELAYS);
    const began = performance.now();
    const words = ["--import", delays, join(resolve(args.dist), "cli/main.js"), "run", config];
    worker = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe", "ipc"] });
    let metricsUrl;
    let said = "";
    const reports = [];
    worker.on("message", (report) => reports.push(report));
    const frames = new Map(liveOnes.map(({ name }) => [name, 0]));
    let rest = "";
    worker.stdout.setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const { source } = JSON.parse(line);
        frames.set(source, frames.get(source) + 1);
      }
    });
    worker.stderr.setEncoding("utf8").on("data", (text) => {
      said = (said + text).slice(-20_000);
    });
    const ended = new Promise((done) => worker.once("exit", done));
    const until = async (what, holds) => {
      while (!(await holds())) {
        if (worker.exitCode !== null) throw new Error(`the worker ended: ${said.trim().split("\n").at(-1)}`);
        if (performance.now() - began > 600_000) throw new Error(`in vain waited ten minutes for ${what}`);
        await sleep(100);
      }
    };
    await until("the worker", () => {
      metricsUrl ??= /metrics: (http:\S+)\/metrics/.exec(said)?.[1];
      return metricsUrl;
    });
    await until("every live camera", () => [...frames.values()].every((count) => count > 0));
    const liveAfter = (performance.now() - began) / 1000;
    await sleep(2000);
    const before = new Map(frames);
    const at = performance.now();
    worker.send("begin");
    const health = [];
    let [mostProcesses, mostRss] = [0, 0];
    while (performance.now() - at < seconds * 1000) {
      const asked = performance.now();
      await fetch(`${metricsUrl}/healthz`).then((answer) => answer.text());
      health.push(performance.now() - asked);
      const { processes, rss } = treeOf(worker.pid);
      mostProcesses = Math.max(mostProcesses, processes);
      mostRss = Math.max(mostRss, rss);
      await sleep(250);
    }
    const took = (performance.now() - at) / 1000;
    const rates = liveOnes.map(({ name }) => (frames.get(name) - before.get(name)) / took);
    worker.send("end");
    await until("the delays", () => reports.length > 0);
    const stopping = performance.now();
    worker.kill("SIGTERM");
    await ended;
    const stopSeconds = (performance.now() - stopping) / 1000;
    return {
      liveAfter,
      rates,
      delay: reports[0],
      health: health.sort((a, b) => a - b),
      mostProcesses,
      mostRss,
      stopSeconds,
    };
  }

  const load = loadavg()[0];
  const alone = await measure(liveOnes);
  const beside = await measure(mixed);
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const least = Math.min(...beside.rates.map((rate, i) => rate / alone.rates[i]));
  const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  const rows = [
    ["", "without", `${dead} dead`, "goal"],
    ["event-loop delay p50, ms", ...[alone, beside].map((r) => r.delay.p50.toFixed(1)), ""],
    ["event-loop delay p99, ms", ...[alone, beside].map((r) => r.delay.p99.toFixed(1)), "< 20"],
    ["event-loop delay max, ms", ...[alone, beside].map((r) => r.delay.max.toFixed(1)), ""],
    [`frames/s of ${live} live`, ...[alone, beside].map((r) => sum(r.rates).toFixed(2)), ""],
    ["least of a live one, %", "", (100 * least).toFixed(1), ">= 95"],
    ["/healthz p50, ms", ...[alone, beside].map((r) => quantile(r.health, 0.5).toFixed(1)), ""],
    ["/healthz max, ms", ...[alone, beside].map((r) => r.health.at(-1).toFixed(1)), "< 100"],
    ["all live after, s", ...[alone, beside].map((r) => r.liveAfter.toFixed(1)), ""],
    ["other processes at most", ...[alone, beside].map((r) => String(r.mostProcesses)), ""],
    ["memory of the worker, MiB", ...[alone, beside].map((r) => r.mostRss.toFixed(0)), ""],
    ["SIGTERM to end, s", ...[alone, beside].map((r) => r.stopSeconds.toFixed(1)), "< 10"],
  ];
  console.log(`${live} live cameras at ${fps} frames/s, ${dead} dead, ${seconds} s each; ${args.dist}`);
  console.log(
    `${cpus()[0].model.trim()}, ${cpus().length} cores, load ${load.toFixed(1)} before and ${loadavg()[0].toFixed(1)} after`,
  );
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows)
    console.log(row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[0]))).join("  "));
  if (args.json) writeFileSync(args.json, `${JSON.stringify({ args, load, alone, beside }, null, 2)}\n`);
  process.exit(0);
}

/** How many processes one has started, directly or through others, and MiB that it holds itself. */
function treeOf(pid) {
  const parents = new Map();
  let rss = 0;
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      parents.set(Number(name), Number(fields[1]));
      if (Number(name) === pid) rss = (Number(fields[21]) * 4096) / 2 ** 20;
    } catch {
      // It ended while we looked.
    }
  }
  const descends = (child) => parents.has(child) && (parents.get(child) === pid || descends(parents.get(child)));
  return { processes: [...parents.keys()].filter(descends).length, rss };
}
