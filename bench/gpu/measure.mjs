// Times one network on one device, for bench/gpu.mjs: node measure.mjs MODEL DEVICE PRECISIONS BATCHES ROUNDS
// A line of JSON for each of forward and r-lrp, by precision and batch, as soon as it is known. The input goes to the card in
// each run, and the results come back: that is what the worker pays.
import { median } from "../peers/report.mjs";
import { networkOf, noise, programOf } from "./program.mjs";

const { onnxruntimeRunner } = await import("../../dist/explain/engines/onnxruntime.js");

const [file, device, precisions, batches, rounds] = process.argv.slice(2);
const network = networkOf(file);
const [, ...frame] = network.shapes.get(network.input) ?? [];
const size = frame.reduce((a, b) => a * b, 1);
for (const precision of precisions.split(","))
  for (const what of ["forward", "r-lrp"]) {
    const began = performance.now();
    /** @type {any} */
    const options = { device, precision, threads: 0 };
    const runner = await onnxruntimeRunner(programOf(network, what), options);
    const openMs = performance.now() - began;
    for (const batch of batches.split(",").map(Number)) {
      const input = { data: noise(batch * size), dims: [batch, ...frame] };
      const run = async () => {
        const start = performance.now();
        const results = await runner.run({ input });
        const ms = performance.now() - start;
        for (const [name, { data }] of Object.entries(results))
          if (data instanceof Float32Array && !data.every(Number.isFinite))
            throw new Error(`${name} of ${what} is not finite`);
        return ms;
      };
      // The first chooses kernels for these sizes.
      const firstMs = await run();
      await run();
      const times = [];
      for (let k = 0; k < Number(rounds); k++) times.push(await run());
      const row = {
        what,
        precision,
        batch,
        runs: times.length,
        ms: median(times),
        bestMs: Math.min(...times),
        firstMs,
        openMs,
      };
      console.log(JSON.stringify({ engine: runner.name, ...row }));
    }
    await runner.close();
  }
process.exit(0);
