// Files of bench/files.mjs against their float32 original: node measure.mjs FOLDER FLOAT PICTURES LOW HIGH THREADS KIND...; prints a line of JSON each.
import { readFileSync } from "node:fs";
import path from "node:path";
import { compared } from "../zoo/compared.mjs";

const [folder, float, pictures, lowText, highText, threads, ...kinds] = process.argv.slice(2);
const { importOnnx } = await import("../../dist/explain/onnx/import.js");
const { canonicalise } = await import("../../dist/explain/network/canonicalise.js");
const { precisionNote } = await import("../../dist/explain/model/precision-note.js");
const { tensorProgram } = await import("../../dist/explain/programs/tensor.js");
const { onnxruntimeRunner } = await import("../../dist/explain/engines/onnxruntime.js");
const { readNpy } = await import("../../dist/cli/npy.js");

/** @type {(text: string) => number[]} */
const numbers = (text) => text.split(",").map(Number);
/** @type {import("../../dist/explain/options.js").MethodOptions} */
const method = { method: "r-lrp-graded", target: "top" };
const { data, dims } = readNpy(readFileSync(pictures), pictures);
const [count = 0, channels = 0, height = 0, width = 0] = dims;
const size = channels * height * width;

/** @type {(values: ArrayLike<number>, rows: number, columns: number) => Float32Array} */
function turned(values, rows, columns) {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = Number(values[r * columns + c]);
  return out;
}

/** Maps, channels first, and logits of all pictures. @type {(file: string) => Promise<any>} */
async function explained(file) {
  /** @type {import("../../dist/explain/onnx/tensor.js").ExternalReader} */
  const external = (location, offset, length) => {
    const bytes = readFileSync(path.join(path.dirname(file), location));
    return bytes.subarray(offset, length === undefined ? undefined : offset + length);
  };
  const network = canonicalise(importOnnx(readFileSync(file), external, { input: { channels, height, width } }));
  const own = (network.shapes.get(network.input) ?? []).slice(1);
  const isLast = own.at(-1) === channels;
  const range = { low: numbers(lowText), high: numbers(highText), channelAxis: isLast ? 3 : 1 };
  const runner = await onnxruntimeRunner(() => tensorProgram(network, method, range), {
    device: "cpu",
    threads: Number(threads),
  });
  const maps = [];
  const logits = [];
  for (let n = 0; n < count; n++) {
    const picture = Float32Array.from(data.subarray(n * size, (n + 1) * size), Number);
    const input = isLast ? turned(picture, channels, height * width) : picture;
    const out = await runner.run({ input: { data: input, dims: [1, ...own] } });
    const map = Float32Array.from(out.relevance?.data ?? [], Number);
    maps.push(isLast ? turned(map, height * width, channels) : map);
    logits.push(Array.from(out.logits?.data ?? [], Number));
  }
  await runner.close();
  return { maps, logits, note: precisionNote(network) };
}

/** @type {(values: number[]) => number} */
const best = (values) => values.indexOf(Math.max(...values));
const reference = await explained(float);
for (const kind of kinds) {
  try {
    const file = path.join(folder, `${kind}.npy`);
    const scores = readNpy(readFileSync(file), file);
    const classes = scores.dims[1] ?? 0;
    const { maps, logits, note } = await explained(path.join(folder, `${kind}.onnx`));
    const found = { agree: 0, asFloat: 0 };
    const correlations = [];
    for (let n = 0; n < count; n++) {
      const row = Array.from(scores.data.subarray(n * classes, (n + 1) * classes), Number);
      // Quantised scores may be equal: then either class is the runtime's own.
      if (row[best(logits[n])] === Math.max(...row)) found.agree++;
      if (best(logits[n]) !== best(reference.logits[n])) continue;
      found.asFloat++;
      correlations.push(compared(maps[n], reference.maps[n]).correlation);
    }
    correlations.sort((a, b) => a - b);
    const median = correlations[Math.floor(correlations.length / 2)];
    console.log(JSON.stringify({ kind, pictures: count, ...found, least: correlations[0], median, note }));
  } catch (error) {
    console.log(JSON.stringify({ kind, fault: error instanceof Error ? error.message : String(error) }));
  }
}
