/**
 * Makes of float32 networks every form of file that people keep, each by its own tool, explains twenty pictures with each file, and
 * writes how often the class is the runtime's own and how near the map comes to that of the float32 network, as Markdown.
 *
 *   npm run build && node bench/files.mjs [--networks inspection-cnn,...] [--kinds qdq-uint8,...] [--threads 2]
 *                                         [--output docs/files.md] [--python PATH] [--folder FOLDER]
 *
 * Fetches onnxruntime, torch and others from PyPI into the user's cache folder the first time (3 GB); --python names an interpreter that
 * has them. --folder keeps what was made and measured for the next time: what is there already is not made again.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { filesPage } from "./files/page.mjs";
import { pythonWith } from "./python.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const at = (...parts) => path.join(here, ...parts);
const TOOLS = [
  ...["numpy", "pillow", "onnx", "onnxruntime", "onnxconverter-common", "onnxsim", "onnxslim", "colorama", "ml_dtypes"],
  ...["torch", "torchvision", "timm", "torchao", "onnxscript", "sympy"],
];
/** Ranges of pixels 0 and 255 on the network's scale. */
const SHIPPED = { mean: [127.5, 127.5, 127.5], std: [63.75, 63.75, 63.75], pictures: "inspection" };
const TORCH = { mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375], pictures: "photographs" };
const NETWORKS = {
  "inspection-cnn": { ...SHIPPED, model: at("../models/inspection-cnn/model.onnx") },
  "inspection-resnet": { ...SHIPPED, model: at("../models/inspection-resnet/model.onnx") },
  "inspection-hybrid": { ...SHIPPED, model: at("../models/inspection-hybrid/model.onnx") },
  "efficientnet-lite0": {
    mean: [127, 127, 127],
    std: [128, 128, 128],
    pictures: "photographs",
    model: at("../models/efficientnet-lite0/model.onnx"),
  },
  ...Object.fromEntries(["mobilenet_v3_small"].map((name) => [name, TORCH])),
};

const { values: args } = parseArgs({
  options: {
    networks: { type: "string", default: Object.keys(NETWORKS).join(",") },
    kinds: { type: "string" },
    threads: { type: "string", default: "2" },
    output: { type: "string", default: at("../docs/files.md") },
    python: { type: "string" },
    folder: { type: "string" },
  },
});
const python = args.python ?? pythonWith("files", TOOLS);
const work = args.folder ?? mkdtempSync(path.join(tmpdir(), "files-"));
const run = (command, words) =>
  execFileSync(command, words, { stdio: ["ignore", "pipe", "ignore"], maxBuffer: 2 ** 26 })
    .toString()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));

for (const name of args.networks.split(",")) {
  const network = NETWORKS[name];
  if (!network) throw new Error(`--networks: ${name} is not known; known are ${Object.keys(NETWORKS).join(", ")}`);
  const folder = path.join(work, name);
  mkdirSync(folder, { recursive: true });
  const pictures = path.join(folder, "pictures.npy");
  const scale = [network.mean, network.std].map((values) => values.join(","));
  execFileSync(python, [at("files/pictures.py"), network.pictures, ...scale, pictures]);
  const only = args.kinds ? [args.kinds] : [];
  const made = network.model
    ? run(python, [at("files/make.py"), network.model, pictures, folder, ...only])
    : run(python, [at("files/make_torch.py"), name, pictures, folder, ...only]);
  const [low, high] = [0, 255].map((v) => network.mean.map((mean, c) => (v - mean) / network.std[c]).join(","));
  const float = network.model ?? path.join(folder, "float32.onnx");
  const kinds = made.filter(({ fault }) => !fault).map(({ kind }) => kind);
  const words = [at("files/measure.mjs"), folder, float, pictures, low, high, args.threads, ...kinds];
  const measured = new Map(run(process.execPath, words).map((row) => [row.kind, row]));
  const rows = made.map((row) => ({ network: name, ...row, ...measured.get(row.kind) }));
  const file = path.join(folder, "results.json");
  const before = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
  const kept = before.filter(({ kind }) => !rows.some((row) => row.kind === kind));
  writeFileSync(file, JSON.stringify([...kept, ...rows], undefined, 1));
  for (const { kind, agree, pictures: of, median, fault } of rows)
    console.error(
      `${name} ${kind}: ${fault ?? `class of the runtime ${agree} of ${of}, correlation ${median?.toFixed(4)}`}`,
    );
}
const all = readdirSync(work)
  .map((name) => path.join(work, name, "results.json"))
  .filter(existsSync)
  .flatMap((file) => JSON.parse(readFileSync(file, "utf8")));
writeFileSync(args.output, filesPage(Object.keys(NETWORKS), all));
