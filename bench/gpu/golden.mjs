// The golden maps on a device, for bench/gpu.mjs: node golden.mjs DEVICE PRECISION [CASES]. A line of JSON a case: how far its
// map is from the golden one, relative to the largest relevance of a frame, and whether the class is the same.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { networkOf, programOf } from "./program.mjs";

const { onnxruntimeRunner } = await import("../../dist/explain/engines/onnxruntime.js");
const { readNpy } = await import("../../dist/cli/npy.js");

const folder = fileURLToPath(new URL("../../test/fixtures/golden/", import.meta.url));
const [device, precision, some] = process.argv.slice(2);
const names = readdirSync(folder).filter((name) => existsSync(path.join(folder, name, "r-lrp.npy")));
const read = (name, file) => readNpy(readFileSync(path.join(folder, name, file)), file);

for (const name of names.slice(0, some ? Number(some) : names.length)) {
  const { low, high, target } = JSON.parse(readFileSync(path.join(folder, name, "case.json"), "utf8"));
  const [input, expected] = [read(name, "input.npy"), read(name, "r-lrp.npy")];
  const network = networkOf(path.join(folder, name, "model.onnx"));
  /** @type {any} */
  const options = { device, precision, threads: 1 };
  const runner = await onnxruntimeRunner(programOf(network, "r-lrp", { low, high }), options);
  const results = await runner.run({ input: { data: Float32Array.from(input.data), dims: input.dims } });
  await runner.close();
  const got = /** @type {Float32Array} */ (results.relevance.data);
  const size = got.length / input.dims[0];
  const apart = Array.from({ length: input.dims[0] }, (_, n) => {
    const [a, b] = [got, expected.data].map((data) => Array.from(data).slice(n * size, (n + 1) * size));
    const largest = Math.max(...b.map(Math.abs));
    return largest === 0 ? Math.max(...a.map(Math.abs)) : Math.max(...a.map((v, k) => Math.abs(v - b[k]))) / largest;
  });
  const same = Array.from(results.target.data, Number).join() === target.join();
  console.log(JSON.stringify({ name, engine: runner.name, apart: Math.max(...apart), same }));
}
process.exit(0);
