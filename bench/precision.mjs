/**
 * What bfloat16 costs and brings: the shipped networks, trained ones, on real frames and on the inspection images of the tests.
 * Each picture is explained in float32 and in bfloat16 on OpenVINO, in turn; maps are compared pixel by pixel.
 *
 *   npm run setup:openvino && npm run build && node bench/precision.mjs [--pictures 40] [--threads 1] [--output docs/precision.md]
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
const { tensorProgram } = await import("../dist/explain/programs/tensor.js");
const { inputValues } = await import("../dist/explain/preprocessing.js");

const { values: args } = parseArgs({
  options: {
    pictures: { type: "string", default: "40" },
    threads: { type: "string", default: "1" },
    output: { type: "string" },
  },
});
const count = Number(args.pictures);
if (!Number.isSafeInteger(count) || count < 1) {
  console.error(`--pictures ${args.pictures} is not a whole number of 1 or more.`);
  process.exit(2);
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
  for (const precision of /** @type {const} */ (["float32", "bfloat16"]))
    runners[precision] = await engineNamed("openvino")(tensorProgram(model.network, method, range), {
      device: "cpu",
      threads: Number(args.threads),
      precision,
    });
  if (!runners.bfloat16.name.endsWith("bfloat16")) throw new Error("this processor does not compute in bfloat16");
  const times = { float32: [], bfloat16: [] };
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
    same += out.float32.target.data[0] === out.bfloat16.target.data[0] ? 1 : 0;
    // Maps of one class: where the classes differ, the maps are of two questions.
    if (out.float32.target.data[0] !== out.bfloat16.target.data[0]) continue;
    const maps = [out.bfloat16, out.float32].map((o) => pixels(o.relevance.data, size));
    correlations.push(compared(...maps).correlation);
  }
  for (const runner of Object.values(runners)) await runner.close();
  const [whole, half] = [median(times.float32.slice(1)), median(times.bfloat16.slice(1))];
  return [
    name,
    String(all.length),
    `${whole.toFixed(1)} ms`,
    `${half.toFixed(1)} ms`,
    `${(whole / half).toFixed(2)}×`,
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
const head = ["network", "pictures", "float32", "bfloat16", "faster", "same class", "correlation, median", "least"];
const line = (cells) => `| ${cells.join(" | ")} |`;
const page = [
  "# What bfloat16 costs and brings",
  "",
  `Written by \`node bench/precision.mjs\`. Forward + \`r-lrp\` of one frame on OpenVINO with ${args.threads} thread${args.threads === "1" ? "" : "s"}, median; the`,
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
