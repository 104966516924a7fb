// The map of bench/zoo.mjs once more, with what its max pools read: node pools.mjs MODEL PICTURE LOW HIGH RELEVANCE FOLDER. The folder
// gets names.txt, a node of the file a line, and k.npy for line k.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const [file, picture, lowText, highText, output, folder] = process.argv.slice(2);
const { importOnnx } = await import("../../dist/explain/onnx/import.js");
const { canonicalise } = await import("../../dist/explain/network/canonicalise.js");
const { Emitter } = await import("../../dist/explain/program/emitter.js");
const { emitBounds } = await import("../../dist/explain/program/bounds.js");
const { emitInputRelevance, emitScores, emitShares } = await import("../../dist/explain/programs/explanation.js");
const { onnxruntimeRunner } = await import("../../dist/explain/engines/onnxruntime.js");
const { readNpy, writeNpy } = await import("../../dist/cli/npy.js");

const numbers = (text) => text.split(",").map(Number);
const network = canonicalise(importOnnx(readFileSync(file)));
const dims = network.shapes.get(network.input) ?? [];
const pools = network.layers.filter((layer) => layer.kind === "maxPool");
const runner = await onnxruntimeRunner(
  () => {
    const e = new Emitter();
    const { scope, scores } = emitScores(e, network, e.input("input", "float32", dims), "top");
    const bounds = emitBounds(e, numbers(lowText), numbers(highText), dims.length, dims[1] === 3 ? 1 : 3);
    /** @type {import("../../dist/explain/options.js").MethodOptions} */
    const method = { method: "r-lrp", inputRule: "bounded", start: "one-hot", target: "top" };
    const map = emitInputRelevance(scope, scores, method, bounds);
    e.output(emitShares(e, map, dims.length).shares, "relevance", "float32", dims);
    pools.forEach((layer, k) => {
      const input = layer.inputs[0] ?? Number.NaN;
      e.output(scope.values.get(input) ?? "", `pool_${k}`, "float32", network.shapes.get(input) ?? []);
    });
    return e.finish(true);
  },
  { device: "cpu", threads: 1 },
);
const { data } = readNpy(readFileSync(picture), picture);
const results = await runner.run({ input: { data, dims: [1, ...dims.slice(1)] } });
const save = (to, name) =>
  writeFileSync(to, writeNpy(results[name].dims, Float32Array.from(Array.from(results[name].data, Number))));
save(output, "relevance");
for (const k of pools.keys()) save(path.join(folder, `${k}.npy`), `pool_${k}`);
writeFileSync(path.join(folder, "names.txt"), pools.map((layer) => `${layer.name}\n`).join(""));
