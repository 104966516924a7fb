/**
 * The one script for a machine with a graphics card, sized to ten minutes: the golden cases, forward and forward + r-lrp by
 * network, batch and precision beside PyTorch's forward, gradient × input and zennit on the same card, and the whole worker
 * on generated sources. What matters most comes first; what the time does not suffice for is named. JSON is written after
 * each step, so that a cut connection loses nothing.
 *
 *   npm run setup:cuda && npm run build && node bench/gpu.mjs [--seconds 540] [--json gpu.json] [--markdown gpu.md] [--python PATH]
 *   node bench/gpu.mjs --rehearse        the same steps on the processor, in small
 *
 * --python names an interpreter with torch, torchvision, zennit and onnx; without it, the shipped networks are timed alone.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { markdown } from "./gpu/table.mjs";
import { median } from "./peers/report.mjs";
import { wholeNumbers } from "./whole-numbers.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const { values: args } = parseArgs({
  options: {
    device: { type: "string", default: "cuda" },
    seconds: { type: "string", default: "540" },
    json: { type: "string", default: "gpu.json" },
    markdown: { type: "string" },
    python: { type: "string" },
    rehearse: { type: "boolean", default: false },
  },
});
const [seconds] = wholeNumbers(args, ["seconds"]);
const deadline = performance.now() + 1000 * seconds;
const small = args.rehearse;
const device = small ? "cpu" : args.device;
const PLAN = small
  ? {
      batches: [1, 2],
      rounds: 1,
      cases: 3,
      sources: 4,
      fps: 2,
      workerSeconds: 4,
      precisions: ["float32"],
      models: ["inspection-cnn"],
    }
  : {
      batches: [32, 8, 1],
      rounds: 15,
      cases: 0,
      sources: 64,
      fps: 30,
      workerSeconds: 20,
      precisions: ["float16", "float32"],
      models: ["efficientnet-lite0"],
    };
const TORCHVISION = ["resnet50", "vgg16", "mobilenet_v2"];
const PEERS = ["forward", "gradient-x-input", "zennit"];

/** @type {any} */
const results = { card: "", rehearsed: small, device, golden: [], times: [], peers: [], worker: [], skipped: [] };
const save = () => writeFileSync(args.json, `${JSON.stringify(results, undefined, 1)}\n`);

/** Runs a script to its end or the deadline; each of its lines is a result. */
async function lines(name, command, words, each, env = {}) {
  const left = deadline - performance.now();
  if (left < 3000) return skip(name, "no time was left");
  const child = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const timer = setTimeout(() => child.kill("SIGKILL"), left);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said = (said + text).slice(-4000);
  });
  const ended = new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
  for await (const line of createInterface({ input: child.stdout })) {
    each(JSON.parse(line));
    save();
  }
  const code = await ended;
  clearTimeout(timer);
  if (code === "SIGKILL") skip(name, "the time ended in it");
  else if (code !== 0) skip(name, said.trimEnd().split("\n").at(-1) ?? `code ${code}`);
}
function skip(name, why) {
  results.skipped.push(`${name} (${why})`);
  console.error(`- ${name}: ${why}`);
  save();
}
const script = (name) => path.join(here, "gpu", name);
const say = (text) => console.error(`- ${text}`);

/** One that waits for its turn, of bench/peers; timed batch by batch. */
async function timePeer(network, batch, name, rounds) {
  const words = [
    path.join(here, "peers/contender.py"),
    name,
    network,
    "--batch",
    String(batch),
    "--device",
    small ? "cpu" : "cuda",
  ];
  const child = spawn(args.python ?? "python3", words, { stdio: ["pipe", "pipe", "ignore"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), Math.max(1, deadline - performance.now()));
  const times = [];
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line !== "ready") times.push(Number(line));
      if (times.length === rounds + 2) break;
      child.stdin.write("run\n");
    }
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
  if (times.length < 3) throw new Error("it gave no times");
  results.peers.push({ network, batch, name, ms: median(times.slice(2)), runs: times.length - 2 });
  save();
}

async function card() {
  if (small) return `the processor ${cpus()[0]?.model ?? ""}`;
  const { graphicsCards } = await import("../dist/explain/engines/providers/providers.js");
  return graphicsCards()
    .map((c) => `${c.name}, ${Math.round(c.memoryBytes / 2 ** 30)} GiB, compute capability ${c.computeCapability}`)
    .join("; ");
}

const folder = mkdtempSync(path.join(tmpdir(), "gpu-"));
try {
  results.card = await card();
  say(results.card);
  for (const precision of small ? ["float32"] : ["float32", "float16"]) {
    say(`golden cases in ${precision}`);
    // TF32 has a mantissa as short as float16's: that the kernels are right shows without it.
    const words = [script("golden.mjs"), device, precision, ...(PLAN.cases ? [String(PLAN.cases)] : [])];
    await lines(
      `golden cases in ${precision}`,
      process.execPath,
      words,
      (line) => results.golden.push({ precision, ...line }),
      {
        NVIDIA_TF32_OVERRIDE: "0",
      },
    );
  }
  const exported = [];
  for (const name of args.python ? TORCHVISION.slice(0, small ? 0 : undefined) : []) {
    const file = path.join(folder, `${name}.onnx`);
    const words = [path.join(here, "peers/contender.py"), "export", name, "--output", file];
    const before = results.skipped.length;
    await lines(`export of ${name}`, args.python, words, () => {});
    if (results.skipped.length === before) exported.push([name, file]);
  }
  const shipped = PLAN.models.map((name) => [name, path.join(here, "../models", name)]);
  for (const [network, file] of [...exported, ...shipped])
    for (const tf32 of small ? [false] : [true, false]) {
      const precisions = tf32 ? PLAN.precisions : ["float32"];
      say(`${network}, ${precisions.join(" and ")}${tf32 ? "" : ", without TF32"}`);
      const words = [script("measure.mjs"), file, device, precisions.join(), PLAN.batches.join(), String(PLAN.rounds)];
      const keep = (line) => results.times.push({ network, tf32: tf32 && line.precision === "float32", ...line });
      await lines(
        `${network}${tf32 ? "" : " without TF32"}`,
        process.execPath,
        words,
        keep,
        tf32 ? {} : { NVIDIA_TF32_OVERRIDE: "0" },
      );
    }
  if (args.python)
    for (const network of small ? ["mobilenet_v2"] : TORCHVISION)
      for (const batch of PLAN.batches)
        for (const name of PEERS) {
          say(`${name} of ${network}, batch ${batch}`);
          if (deadline - performance.now() < 3000) skip(`${name} of ${network}, batch ${batch}`, "no time was left");
          else
            await timePeer(network, batch, name, PLAN.rounds).catch((error) =>
              skip(`${name} of ${network}, batch ${batch}`, error.message),
            );
        }
  else skip("PyTorch and zennit", "--python names no interpreter");
  for (const precision of PLAN.precisions) {
    say(`the worker in ${precision}`);
    const model = path.join(here, "../models", PLAN.models[0]);
    const words = [
      script("worker.mjs"),
      model,
      device,
      precision,
      String(PLAN.sources),
      String(PLAN.fps),
      String(PLAN.workerSeconds),
    ];
    await lines(`the worker in ${precision}`, process.execPath, words, (line) =>
      results.worker.push({ precision, ...line }),
    );
  }
  const text = markdown(results);
  if (args.markdown) writeFileSync(args.markdown, text);
  console.log(text);
} catch (error) {
  if (error.name !== "VideoExplainerError") throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
