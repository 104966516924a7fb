/**
 * Exports the networks people have, as they would, explains a picture with each at 224 × 224 and holds the map against a
 * float64 twin on PyTorch (bench/zoo/twin.py); writes the list with sizes, times and errors as Markdown. What --only leaves out
 * keeps its row.
 *
 *   npm run build && node bench/zoo.mjs [--only resnet50,Xception] [--threads 2] [--output docs/networks.md]
 *                                       [--python PATH] [--keras-python PATH] [--models FOLDER]
 *
 * Fetches torch, torchvision, timm, ultralytics, onnx and tensorflow, tf2onnx from PyPI into the user's cache folder the first time (4 GB);
 * the options name interpreters that have them already. --models keeps the exported files for the next time.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pythonWith } from "./python.mjs";
import { compared } from "./zoo/compared.mjs";
import { modelsPage } from "./zoo/page.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const torch =
  (exporter, library = "torchvision") =>
  (name) => ({ name, by: `${library}, ${exporter} exporter`, kind: exporter, library });
const NETWORKS = [
  ...[
    "vgg16 vgg19 alexnet resnet18 resnet50 resnet101 wide_resnet50_2 resnext50_32x4d densenet121 googlenet inception_v3",
    "mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet1_0 efficientnet_b0 efficientnet_v2_s shufflenet_v2_x1_0",
    "squeezenet1_0 squeezenet1_1 regnet_x_400mf regnet_y_400mf convnext_tiny",
  ]
    .join(" ")
    .split(" ")
    .map(torch("script")),
  ..."resnet18 resnet50 densenet121 googlenet inception_v3 mobilenet_v2 mobilenet_v3_large efficientnet_b0 shufflenet_v2_x1_0 regnet_y_400mf"
    .split(" ")
    .map(torch("dynamo")),
  ...[
    "vit_base_patch16_224 deit_small_patch16_224 beit_base_patch16_224 vit_small_patch14_dinov2 swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256 maxvit_tiny_tf_224 convnextv2_tiny coatnet_0_rw_224 levit_128 mobilevit_s efficientformer_l1",
    "edgenext_small poolformer_s12 fastvit_t8 mobilenetv4_conv_small mobilenetv4_hybrid_medium mobileone_s0 repvgg_a0 ghostnetv2_100",
    "hrnet_w18 res2net50_26w_4s resnest14d skresnet18 eca_nfnet_l0 efficientvit_b0 tiny_vit_5m_224 xcit_nano_12_p16_224",
    "mixer_s16_224 gmlp_s16_224 vit_base_patch32_clip_224",
  ]
    .join(" ")
    .split(" ")
    .map(torch("script", "timm")),
  ..."yolov8n-cls yolo11n-cls yolo26n-cls".split(" ").map(torch("script", "ultralytics")),
  ..."VGG16 ResNet50 ResNet50V2 MobileNet MobileNetV2 MobileNetV3Small MobileNetV3Large DenseNet121 InceptionV3 Xception EfficientNetB0 EfficientNetV2B0"
    .split(" ")
    .map((name) => ({ name, by: "keras.applications, tf2onnx", kind: "keras", library: "keras" })),
];
const TORCH = ["torch", "torchvision", "timm", "ultralytics", "onnx", "onnxscript", "numpy"];
const KERAS = ["tensorflow-cpu==2.15.*", "tf2onnx==1.16.1", "onnx<1.17", "numpy<2", "protobuf<4.24"];

const { values: args } = parseArgs({
  options: {
    only: { type: "string" },
    threads: { type: "string", default: String(availableParallelism()) },
    output: { type: "string", default: path.join(here, "../docs/networks.md") },
    python: { type: "string" },
    "keras-python": { type: "string" },
    models: { type: "string" },
  },
});
const only = args.only?.split(",");
const chosen = NETWORKS.filter(({ name }) => !only || only.includes(name));
if (chosen.length === 0) {
  console.error(`--only names no network that is known; known are ${NETWORKS.map((n) => n.name).join(", ")}.`);
  process.exit(2);
}
const python = args.python ?? pythonWith("zoo", TORCH);
const kerasPython = () => args["keras-python"] ?? pythonWith("zoo-keras", KERAS);
const work = mkdtempSync(path.join(tmpdir(), "zoo-"));
const models = args.models ?? work;
mkdirSync(models, { recursive: true });

/** A frame of the film that comes with the project, 224 × 224 RGB. */
function film() {
  const words = ["-v", "error", "-ss", "5", "-i", path.join(here, "../assets/media/bottles.mp4"), "-frames:v", "1"];
  const filters = ["-vf", "crop=270:270:370:80,scale=224:224", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"];
  return execFileSync("ffmpeg", [...words, ...filters]);
}

/** A real picture as a network's input; `low` and `high` are what pixels of 0 and 255 become. */
function picture(kind, model) {
  const data = film();
  const rescales = /EfficientNet|MobileNetV3/.test(model);
  const [mean, std] =
    kind === "keras"
      ? rescales
        ? [0, 1]
        : [127.5, 127.5]
      : [
          [123.675, 116.28, 103.53],
          [58.395, 57.12, 57.375],
        ];
  const of = (values, c) => (Array.isArray(values) ? values[c] : values);
  const value = (v, c) => (v - of(mean, c)) / of(std, c);
  const size = 224 * 224;
  const values = new Float32Array(3 * size);
  for (let k = 0; k < size; k++)
    for (let c = 0; c < 3; c++) values[kind === "keras" ? k * 3 + c : c * size + k] = value(data[k * 3 + c], c);
  const ends = (v) => [0, 1, 2].map((c) => value(v, c)).join(",");
  return { values, dims: kind === "keras" ? [1, 224, 224, 3] : [1, 3, 224, 224], low: ends(0), high: ends(255) };
}

const { readNpy, writeNpy } = await import("../dist/cli/npy.js");
const at = (name) => path.join(work, name);

async function measure({ name, kind, by, library }) {
  const model = path.join(models, `${kind}-${name}.onnx`);
  const { values, dims, low, high } = picture(kind, name);
  writeFileSync(at("picture.npy"), writeNpy(dims, values));
  if (!existsSync(model)) {
    const [command, words] =
      kind === "keras"
        ? [kerasPython(), [path.join(here, "zoo/export_keras.py"), name, at("picture.npy"), model]]
        : [python, [path.join(here, "zoo/export_torch.py"), name, kind, at("picture.npy"), model, library]];
    execFileSync(command, words, { stdio: ["ignore", "ignore", "pipe"] });
  }
  const words = [model, at("picture.npy"), low, high, at("ours.npy"), args.threads];
  const figures = JSON.parse(execFileSync(process.execPath, [path.join(here, "zoo/measure.mjs"), ...words]).toString());
  const said = execFileSync(python, [path.join(here, "zoo/twin.py"), ...words.slice(0, 4), at("twin.npy")]);
  const compare = () => compared(...["ours.npy", "twin.npy"].map((file) => readNpy(readFileSync(at(file)), file).data));
  const result = { name, by, ...figures, ...compare(), closeCalls: Number(said.toString()) };
  if (figures.maxPools === 0) return result;
  mkdirSync(at("pools"), { recursive: true });
  const again = [...words.slice(0, 5), at("pools")];
  execFileSync(process.execPath, [path.join(here, "zoo/pools.mjs"), ...again]);
  execFileSync(python, [path.join(here, "zoo/twin.py"), ...words.slice(0, 4), at("twin.npy"), at("pools")]);
  return { ...result, sameWinners: compare().error };
}

const page = existsSync(args.output) ? readFileSync(args.output, "utf8") : "";
const rows = [];
try {
  for (const network of chosen) {
    try {
      const row = await measure(network);
      rows.push(row);
      console.error(
        `${network.name} (${network.kind}): error ${row.error.toExponential(1)} (${(row.sameWinners ?? row.error).toExponential(1)} with the same winners), ${row.closeCalls} close calls, correlation ${row.correlation.toFixed(6)}, ${row.explainMs.toFixed(0)} ms, ${row.workRatio.toFixed(2)} times the work of forward`,
      );
    } catch (error) {
      const words = String(error.stderr ?? error.message)
        .trim()
        .split("\n")
        .at(-1);
      console.error(`${network.name} (${network.kind}) failed: ${words}`);
      process.exitCode = 1;
    }
    // After each: a fault in the last does not lose the first.
    writeFileSync(args.output, modelsPage(NETWORKS, rows, Number(args.threads), page));
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
