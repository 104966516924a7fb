// One network of bench/zoo.mjs: node measure.mjs MODEL PICTURE LOW HIGH RELEVANCE THREADS; PICTURE and RELEVANCE are float32 .npy files.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { median } from "../peers/report.mjs";
import { compared } from "./compared.mjs";

const [file, picture, lowText, highText, output, threads] = process.argv.slice(2);
const { importOnnx } = await import("../../dist/explain/onnx/import.js");
const { canonicalise } = await import("../../dist/explain/network/canonicalise.js");
const { costOf } = await import("../../dist/explain/network/cost.js");
const { tensorProgram } = await import("../../dist/explain/programs/tensor.js");
const { Emitter } = await import("../../dist/explain/program/emitter.js");
const { emitScores } = await import("../../dist/explain/programs/explanation.js");
const { onnxruntimeRunner } = await import("../../dist/explain/engines/onnxruntime.js");
const { engineNamed, preparingNamed } = await import("../../dist/explain/engines/registry.js");
const { readNpy, writeNpy } = await import("../../dist/cli/npy.js");

const numbers = (text) => text.split(",").map(Number);
/** @type {import("../../dist/explain/engines/engine.js").EngineOptions} */
const options = { device: "cpu", threads: Number(threads) };
const started = performance.now();
const network = canonicalise(importOnnx(readFileSync(file)));
const whole = network.shapes.get(network.input) ?? [];
const dims = whole.slice(1);
/** @type {import("../../dist/explain/options.js").MethodOptions} */
const method = { method: "r-lrp", inputRule: "bounded", start: "one-hot", target: "top" };
const range = { low: numbers(lowText), high: numbers(highText), channelAxis: dims[0] === 3 ? 1 : 3 };
const explain = await onnxruntimeRunner(() => tensorProgram(network, method, range), options);
const compileMs = performance.now() - started;
const forward = await onnxruntimeRunner(() => {
  const e = new Emitter();
  const input = e.input("input", "float32", whole);
  e.output(emitScores(e, network, input, "top").scores.logits, "logits", "float32", [-1, -1]);
  return e.finish(true);
}, options);

const { data: values } = readNpy(readFileSync(picture), picture);
const feeds = { input: { data: values, dims: [1, ...dims] } };
/** Medians in milliseconds of runs in turn, the first left out, by the clock and of all threads' work; the last map of each. */
async function timed(runners) {
  const names = Object.keys(runners);
  /** @type {Map<string, number[]>} */
  const times = new Map(names.map((name) => [name, []]));
  /** @type {Map<string, number[]>} */
  const work = new Map(names.map((name) => [name, []]));
  const maps = {};
  for (let round = 0; round < 10; round++)
    for (const [name, runner] of Object.entries(runners)) {
      const [start, spent] = [performance.now(), process.cpuUsage()];
      const out = await runner.run(feeds);
      const [ms, { user, system }] = [performance.now() - start, process.cpuUsage(spent)];
      maps[name] = out.relevance?.data;
      if (round === 0) continue;
      times.get(name)?.push(ms);
      work.get(name)?.push((user + system) / 1000);
    }
  const medians = (lists) => Object.fromEntries([...lists].map(([name, list]) => [name, median(list)]));
  return { ms: medians(times), work: medians(work), maps };
}
const { ms, work, maps } = await timed({ forward, explain });
await forward.close();
await explain.close();
writeFileSync(output, writeNpy([1, ...dims], Float32Array.from(maps.explain)));

/** OpenVINO's times, and how near its maps come to onnxruntime's; nothing where it is not set up. */
async function openvino() {
  try {
    preparingNamed("openvino", options);
  } catch (error) {
    if (error.code === "engine-missing") return {};
    throw error;
  }
  const run = async (precision) => {
    const program = () => tensorProgram(network, method, range);
    const runner = await engineNamed("openvino")(program, { ...options, precision, skipValidation: true });
    const result = await timed({ explain: runner });
    await runner.close();
    return { name: runner.name, ms: result.ms.explain, ...compared(result.maps.explain, maps.explain) };
  };
  const whole = await run("float32");
  const half = await run("bfloat16");
  return {
    openvinoMs: whole.ms,
    openvinoError: whole.error,
    ...(half.name.endsWith("bfloat16") && { bfloat16Ms: half.ms, bfloat16Correlation: half.correlation }),
  };
}
const costs = network.layers.map((layer) => costOf(network, layer));
console.log(
  JSON.stringify({
    mib: statSync(file).size / 2 ** 20,
    layers: network.layers.length,
    maxPools: network.layers.filter((layer) => layer.kind === "maxPool").length,
    parameters: costs.reduce((sum, c) => sum + c.parameters, 0),
    multiplyAdds: costs.reduce((sum, c) => sum + c.multiplyAdds, 0),
    compileMs,
    forwardMs: ms.forward,
    explainMs: ms.explain,
    workRatio: work.explain / work.forward,
    ...(await openvino()),
  }),
);
