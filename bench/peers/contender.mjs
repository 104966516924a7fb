// Our side of bench/peers.mjs, with the words of contender.py: node contender.mjs METHOD|forward MODEL BATCH THREADS ENGINE
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const built = new URL("../../dist/explain/", import.meta.url);
const load = (file) => import(new URL(file, built).href);
const [contender, file, batchText, threadsText, engine] = process.argv.slice(2);
const [batch, threads] = [Number(batchText), Number(threadsText)];
const { importOnnx } = await load("onnx/import.js");
const { canonicalise } = await load("network/canonicalise.js");
const { tensorProgram } = await load("programs/tensor.js");
const { Emitter } = await load("program/emitter.js");
const { emitScores } = await load("programs/explanation.js");
const { ENGINES } = await load("engines/registry.js");

const start = performance.now();
const runner = await ENGINES[engine](program, { device: "cpu", threads });
const compileMs = performance.now() - start;
globalThis.gc?.();

function program() {
  const network = canonicalise(importOnnx(readFileSync(file)));
  if (contender !== "forward") {
    const options = { method: contender, inputRule: "bounded", start: "one-hot", target: "top" };
    return tensorProgram(network, options, { low: [-2.1], high: [2.6], channelAxis: 1 });
  }
  const e = new Emitter();
  const input = e.input("input", "float32", network.shapes.get(network.input));
  const { scores } = emitScores(e, network, input, "top");
  e.output(scores.logits, "logits", "float32", network.shapes.get(network.output));
  return e.finish();
}

// A standard normal by Box and Muller, of a small generator with a seed.
let state = 12345;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state + 1) / 4294967297;
};
const size = 3 * 224 * 224;
const frames = Array.from({ length: batch }, () => ({
  data: Float32Array.from(
    { length: size },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  ),
  dims: [1, 3, 224, 224],
}));
// Frame by frame, as the worker runs networks whose activations leave the cache.
const run = async () => {
  let last;
  for (const input of frames) last = await runner.run({ input });
  return last;
};
const first = await run();
for (const [name, { data }] of Object.entries(first))
  if (data instanceof Float32Array && !data.every(Number.isFinite)) {
    console.error(`${contender} gave numbers in ${name} that are not finite`);
    process.exit(1);
  }
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "run") break;
  const before = performance.now();
  await run();
  console.log(performance.now() - before);
}
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1];
console.log(JSON.stringify({ peakMib: Number(peak) / 1024, compileMs }));
process.exit(0);
