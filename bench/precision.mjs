/**
 * What a smaller precision costs and brings: the shipped networks, trained ones, on real frames and on the inspection images
 * of the tests. Each picture is explained in float32 and in the other precision, in turn; maps are compared pixel by pixel.
 *
 *   npm run setup:openvino && npm run build && node bench/precision.mjs [--pictures 40] [--threads 1] [--output docs/precision.md]
 *   npm run setup:cuda && npm run build && node bench/precision.mjs --precision float16 [--device cuda]
 *   node bench/precision.mjs --precision float16 --device cpu      the maps alone: the processor casts and gains nothing
 */
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { median } from "./peers/report.mjs";
import { compared } from "./zoo/compared.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { engineNamed } = await import("../dist/explain/engines/registry.js");
const { loadModel, requirePreprocessing } = await import("../dist/explain/model/load.js");
const { withHalves } = await import("../dist/explain/engines/half-precision.js");
const { tensorProgram } = await import("../dist/explain/programs/tensor.js");
const { inputValues } = await import("../dist/explain/preprocessing.js");

const { values: args } = parseArgs({
  options: {
    pictures: { type: "string", default: "40" },
    threads: { type: "string", default: "1" },
    precision: { type: "string", default: "bfloat16" },
    device: { type: "string" },
    output: { type: "string" },
  },
});
const count = Number(args.pictures);
if (!Number.isSafeInteger(count) || count < 1) {
  console.error(`--pictures ${args.pictures} is not a whole number of 1 or more.`);
  process.exit(2);
}

const other = /** @type {"bfloat16" | "float16"} */ (args.precision);
if (other !== "bfloat16" && other !== "float16") {
  console.error(`--precision ${args.precision} is neither bfloat16 nor float16.`);
  process.exit(2);
}
const engine = other === "bfloat16" ? "openvino" : "onnxruntime";
const device = /** @type {"cpu" | "cuda"} */ (args.device ?? (other === "bfloat16" ? "cpu" : "cuda"));
/** The processor runs what a card would, by casts, so that it takes longer and tells nothing of time. */
const byCasts = other === "float16" && device === "cpu";

/**
 * A graph in halves as a program of its own, which the processor's engine takes as it is.
 * @returns {any} no program holds float16 otherwise
 */
function cast(program) {
  const graph = withHalves(program);
  const constants = graph.constants.map((c) =>
    "make" in c ? { name: c.name, kind: c.kind, dims: c.dims, data: c.make() } : c,
  );
  return { ...graph, constants, smooth: false };
}

/** RGB pictures of a size, from the film or from the inspection images. */
const film = (size) => {
  const filters = `select=not(mod(n\\,25)),crop=270:270:370:80,scale=${size}:${size}`;
  const words = ["-v", "error", "-i", path.join(root, "assets/media/bottles.mp4"), "-vf", filters, "-fps_mode", "vfr"];
  const out = [...words, "-frames:v", String(count), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"];
  const bytes = execFileSync("ffmpeg", out, { maxBuffer: 2 ** 30 });
  const each = size * size * 3;
  return Array.from({ length: bytes.length / each }, (_, k) => bytes.subarray(k * each, (k + 1) * each));
};
const parts = (size) => {
  const folder = path.join(root, "test/fixtures/inspection/images");
  const names = readdirSync(folder).sort().slice(0, count);
  return Promise.all(
    names.map((name) => sharp(path.join(folder, name)).removeAlpha().resize(size, size).raw().toBuffer()),
  );
};

/** `[1, 3, H, W]` as the card of the model wants it. */
function tensorOf(bytes, { mean, std, width, height }) {
  const size = width * height;
  const values = new Float32Array(3 * size);
  for (let k = 0; k < size; k++)
    for (let c = 0; c < 3; c++) values[c * size + k] = (bytes[3 * k + c] - mean[c % mean.length]) / std[c % std.length];
  return { input: { data: values, dims: [1, 3, height, width] } };
}

const pixels = (map, size) => Float32Array.from({ length: size }, (_, k) => map[k] + map[size + k] + map[2 * size + k]);

async function measure(name, pictures) {
  const model = loadModel(path.join(root, "models", name));
  const preprocessing = requirePreprocessing(model);
  /** @type {import("../dist/explain/options.js").MethodOptions} */
  const method = { method: "r-lrp", inputRule: "bounded", start: "one-hot", target: "top" };
  const range = { low: inputValues(preprocessing, 0), high: inputValues(preprocessing, 255), channelAxis: 1 };
  const runners = {};
  for (const precision of /** @type {const} */ (["float32", other])) {
    const program = tensorProgram(model.network, method, range);
    const given = byCasts && precision === other ? cast(program) : program;
    runners[precision] = await engineNamed(engine)(given, { device, threads: Number(args.threads), precision });
  }
  if (!byCasts && !runners[other].name.endsWith(other))
    throw new Error(`${runners[other].name} does not compute in ${other}`);
  /** @type {Record<string, number[]>} */
  const times = { float32: [], [other]: [] };
  /** @type {number[]} */
  const correlations = [];
  let same = 0;
  const size = preprocessing.width * preprocessing.height;
  const all = await pictures(preprocessing.width);
  for (const bytes of all) {
    const feeds = tensorOf(bytes, preprocessing);
    const out = {};
    for (const [precision, runner] of Object.entries(runners)) {
      const start = performance.now();
      out[precision] = await runner.run(feeds);
      times[precision].push(performance.now() - start);
    }
    same += out.float32.target.data[0] === out[other].target.data[0] ? 1 : 0;
    // Maps of one class: where the classes differ, the maps are of two questions.
    if (out.float32.target.data[0] !== out[other].target.data[0]) continue;
    const maps = [out[other], out.float32].map((o) => pixels(o.relevance.data, size));
    correlations.push(compared(...maps).correlation);
  }
  for (const runner of Object.values(runners)) await runner.close();
  const [whole, half] = [median(times.float32.slice(1)), median(times[other].slice(1))];
  return [
    name,
    String(all.length),
    ...(byCasts ? [] : [`${whole.toFixed(1)} ms`, `${half.toFixed(1)} ms`, `${(whole / half).toFixed(2)}×`]),
    `${same} of ${all.length}`,
    median(correlations).toFixed(4),
    Math.min(...correlations).toFixed(4),
  ];
}

const rows = [];
for (const [name, pictures] of [
  ["efficientnet-lite0", film],
  ["inspection-cnn", parts],
  ["inspection-vgg", parts],
  ["inspection-resnet", parts],
]) {
  rows.push(await measure(name, pictures));
  console.error(rows.at(-1).join("  "));
}
const timed = byCasts ? [] : ["float32", other, "faster"];
const head = ["network", "pictures", ...timed, "same class", "correlation, median", "least"];
const where = {
  openvino: `on OpenVINO with ${args.threads} thread${args.threads === "1" ? "" : "s"}, median`,
  onnxruntime: byCasts ? "on the processor by casts, not timed" : `on onnxruntime's ${device}, median`,
}[engine];
const line = (cells) => `| ${cells.join(" | ")} |`;
const page = [
  `# What ${other} costs and brings`,
  "",
  `Written by \`node bench/precision.mjs\`. Forward + \`r-lrp\` of one frame ${where}; the`,
  "correlation is that of the two maps' pixels, where both name the same class. EfficientNet-Lite0 on frames of the shipped film,",
  "the inspection networks on test images of theirs.",
  "",
  line(head),
  line(head.map((_, k) => (k === 0 ? "---" : "---:"))),
  ...rows.map(line),
  "",
].join("\n");
if (args.output) writeFileSync(args.output, page);
else console.log(page);
