// Our side of bench/peers.mjs, with the words of contender.py:
// node contender.mjs METHOD|forward MODEL BATCH THREADS ENGINE PRECISION [DEVICE]
// As in the worker: THREADS engines of one thread each share a batch, frame by frame; the first of them compiles. A card takes
// the batch whole, from one thread.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const { preparingNamed } = await import("../../dist/explain/engines/registry.js");
const { keepToOurselves } = await import("../../dist/explain/engines/telemetry.js");
const next = (thread) => new Promise((resolve) => thread.once("message", resolve));

const mib = (file, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(file, "utf8"))?.[1]) / 1024;
const peakMib = () => mib("/proc/self/status", "VmHWM");

if (isMainThread) await main();
else await engine();

async function main() {
  const [contender, file, batchText, threadsText, name, precision, device = "cpu"] = process.argv.slice(2);
  const whole = device !== "cpu";
  const [batch, threads] = [Number(batchText), whole ? 1 : Number(threadsText)];
  const folder = mkdtempSync(path.join(tmpdir(), "contender-"));
  const started = performance.now();
  const engines = [];
  const options = { device, threads: 1, streams: threads, precision };
  keepToOurselves();
  const start = (first) => {
    const shared = { ...options, shared: first?.shared };
    const workerData = { folder, contender, file, name, options: shared, first, together: whole ? batch : 1 };
    const thread = new Worker(new URL(import.meta.url), { workerData });
    thread.on("error", (error) => {
      throw error;
    });
    engines.push(thread);
    return next(thread);
  };
  let compiling;
  try {
    const first = await start();
    compiling = peakMib();
    await Promise.all(Array.from({ length: threads - 1 }, () => start(first)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const compileMs = performance.now() - started;
  globalThis.gc?.();

  const run = async () => {
    let left = whole ? 1 : batch;
    const share = async (thread) => {
      while (left > 0) {
        left -= 1;
        thread.postMessage(left);
        await next(thread);
      }
    };
    await Promise.all(engines.map(share));
  };
  await run();
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    if (line !== "run") break;
    const before = performance.now();
    await run();
    console.log(performance.now() - before);
  }
  console.log(JSON.stringify({ peakMib: Math.max(compiling, await peakOf(run)), compileMs }));
  process.exit(0);
}

/**
 * Most memory during a run that nobody times. The engines map the same weights: the resident size would count those pages
 * once for each, the proportional one counts them once.
 */
async function peakOf(run) {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, mib("/proc/self/smaps_rollup", "Pss"));
  }, 10);
  await run();
  clearInterval(timer);
  return most;
}

async function programOf(contender, file) {
  const { importOnnx } = await import("../../dist/explain/onnx/import.js");
  const { canonicalise } = await import("../../dist/explain/network/canonicalise.js");
  const { tensorProgram } = await import("../../dist/explain/programs/tensor.js");
  const { Emitter } = await import("../../dist/explain/program/emitter.js");
  const { emitScores } = await import("../../dist/explain/programs/explanation.js");
  return () => {
    const network = canonicalise(importOnnx(readFileSync(file)));
    if (contender !== "forward") {
      /** @type {import("../../dist/explain/options.js").MethodOptions} */
      const options = { method: contender, target: "top" };
      return tensorProgram(network, options, { low: [-2.1], high: [2.6], channelAxis: 1 });
    }
    const e = new Emitter();
    const input = e.input("input", "float32", network.shapes.get(network.input) ?? []);
    const { scores } = emitScores(e, network, input, "top");
    e.output(scores.logits, "logits", "float32", network.shapes.get(network.output) ?? []);
    return e.finish(true);
  };
}

/** One engine of one thread: explains the frame whose number it is told. */
async function engine() {
  const { folder, contender, file, name, options, first, together } = workerData;
  const engine = preparingNamed(name, options)?.engine;
  if (!engine) throw new Error(`the engine ${name} is not set up here`);
  let prepared = first?.prepared;
  let runner;
  if (prepared) runner = await engine.open(folder, prepared, options);
  else {
    const made = await engine.prepare(await programOf(contender, file), options, folder);
    runner = await made.open();
    prepared = made.prepared;
  }
  globalThis.gc?.();
  parentPort?.postMessage({ prepared, shared: runner.shared });
  parentPort?.on("message", async (number) => {
    const results = await runner.run({ input: { data: frame(number, together), dims: [together, 3, 224, 224] } });
    for (const [name, { data }] of Object.entries(results))
      if (data instanceof Float32Array && !data.every(Number.isFinite))
        throw new Error(`${contender} gave numbers in ${name} that are not finite`);
    parentPort?.postMessage("done");
  });
}

const made = new Map();

/** A standard normal by Box and Muller, of a small generator with a seed; made once. */
function frame(number, frames) {
  if (made.has(number)) return made.get(number);
  let state = 12345 + number;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / 4294967297;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  made.set(number, Float32Array.from({ length: frames * 3 * 224 * 224 }, normal));
  return made.get(number);
}
