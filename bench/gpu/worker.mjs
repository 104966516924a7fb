// The whole worker on generated frames, for bench/gpu.mjs: node worker.mjs MODEL DEVICE PRECISION SOURCES FPS SECONDS
// One line of JSON: frames that were explained in a second, and what was dropped, of the worker's own counters.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";

const [model, device, precision, sources, fps, seconds] = process.argv.slice(2);
const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "gpu-worker-"));
const port = 20_000 + (process.pid % 20_000);
const config = {
  station: "bench",
  model: { path: model },
  engine: { kind: "onnxruntime", device, precision, maxBatch: 32 },
  sources: Array.from({ length: Number(sources) }, (_, k) => ({
    name: `generated-${k + 1}`,
    url: "testsrc",
    fps: Number(fps),
    width: 256,
    height: 256,
  })),
  sinks: [{ kind: "stdout", publish: ["summary"] }],
  metrics: { port },
};
const file = path.join(folder, "worker.yaml");
writeFileSync(file, stringify(config));
const worker = spawn(process.execPath, [main, "run", file], { stdio: ["ignore", "ignore", "pipe"] });
let said = "";
worker.stderr.setEncoding("utf8").on("data", (text) => {
  said = (said + text).slice(-4000);
});
const ended = new Promise((resolve) => worker.once("exit", resolve));
process.on("exit", () => worker.kill("SIGKILL"));

const get = (place) => fetch(`http://127.0.0.1:${port}${place}`, { signal: AbortSignal.timeout(5000) });
/** Frames of all sources by what became of them. */
async function counted() {
  const sums = {};
  for (const line of (await (await get("/metrics")).text()).split("\n")) {
    const match = /^\w*?frames_(captured|explained|classified|dropped)_total\{.*\} (\S+)$/.exec(line);
    if (match && !line.includes("station")) sums[match[1]] = (sums[match[1]] ?? 0) + Number(match[2]);
  }
  return sums;
}

try {
  const until = Date.now() + 120_000;
  while (
    !(await get("/readyz").then(
      (r) => r.ok,
      () => false,
    ))
  ) {
    if (worker.exitCode !== null || Date.now() > until)
      throw new Error(said.trimEnd().split("\n").at(-1) || "the worker is not ready");
    await sleep(250);
  }
  // Until all sources run.
  await sleep(3000);
  const [before, start] = [await counted(), performance.now()];
  await sleep(1000 * Number(seconds));
  const [after, took] = [await counted(), (performance.now() - start) / 1000];
  const rates = Object.fromEntries(Object.keys(after).map((key) => [key, (after[key] - (before[key] ?? 0)) / took]));
  console.log(JSON.stringify({ sources: Number(sources), fps: Number(fps), seconds: took, framesPerSecond: rates }));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  worker.kill("SIGTERM");
  await ended;
  rmSync(folder, { recursive: true, force: true });
}
