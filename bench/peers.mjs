/**
 * Forward + R-LRP beside our own forward pass and beside PyTorch's gradient × input, zennit and Captum, in one run: the same
 * networks, threads and batch; each contender in a process of its own, taking turns, so that noise hits all alike. Threads
 * are used as each is meant to be: PyTorch shares an operation among them, ours, as in the worker, the frames of a batch.
 * On a card (--device cuda, after npm run setup:cuda) ours take the batch whole, in float32 and in float16.
 * On OpenVINO where npm run setup:openvino has run, in float32 and in bfloat16; beside the latter stands PyTorch's own.
 *
 *   npm run build && node bench/peers.mjs [--networks vgg16,resnet50] [--batch 4] [--rounds 7] [--threads 2]
 *                                         [--only "r-lrp,zennit"] [--python PATH] [--json FILE] [--device cuda]
 *
 * Fetches torch, torchvision, zennit, captum and onnx from PyPI into the user's cache folder the first time (3 GB);
 * --python names an interpreter that has them already.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { preparingNamed } from "../dist/explain/engines/registry.js";
import { R_LRP_NAMES } from "../dist/explain/method-names.js";
import { markdown, median, ratios } from "./peers/report.mjs";
import { pythonWith } from "./python.mjs";

const here = path.dirname(new URL(import.meta.url).pathname);
const PACKAGES = ["torch", "torchvision", "zennit", "captum", "onnx"];
const KNOWN = ["vgg16", "vgg19", "resnet50", "mobilenet_v2"];
/** Our contenders, [name, method, engine, precision]; those of OpenVINO where it is set up. */
const OURS = [
  ...["forward", ...R_LRP_NAMES].map((method) => [`ours ${method}`, method, "onnxruntime"]),
  ...["forward", "r-lrp", "r-lrp-graded"].flatMap((method) => [
    [`ours ${method}, openvino`, method, "openvino"],
    [`ours ${method}, openvino bfloat16`, method, "openvino", "bfloat16"],
  ]),
];
/** On a card onnxruntime alone, in float16 as well. */
const ON_CARD = [
  ...OURS.filter(([, , engine]) => engine === "onnxruntime"),
  ...["forward", "r-lrp"].map((method) => [`ours ${method}, float16`, method, "onnxruntime", "float16"]),
];
const PEERS = ["forward", "gradient-x-input", "gradient-x-input-bfloat16", "zennit", "captum"];

const USAGE = `node bench/peers.mjs [--networks ${KNOWN.join(",")}] [--batch 4] [--rounds 7] [--threads ${availableParallelism()}]
                     [--only "r-lrp,zennit"] [--python PATH] [--json FILE] [--device cuda]`;

/**
 * The options, or the sentence that says which is wrong.
 * @template {import("node:util").ParseArgsConfig} T
 * @param {T} config
 */
function parse(config) {
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${error.message.split(". ")[0]}; usage: ${USAGE}`);
    return process.exit(2);
  }
}

const { values: args } = parse({
  options: {
    networks: { type: "string", default: KNOWN.join(",") },
    batch: { type: "string", default: "4" },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: String(availableParallelism()) },
    python: { type: "string" },
    only: { type: "string" },
    json: { type: "string" },
    device: { type: "string", default: "cpu" },
    help: { type: "boolean", default: false },
  },
});
if (args.help) {
  console.log(USAGE);
  process.exit(0);
}
const whole = (name) => {
  const value = Number(args[name]);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  console.error(`--${name} ${args[name]} is not a whole number; give 1 or more.`);
  process.exit(2);
};
const [batch, rounds, threads] = [whole("batch"), whole("rounds"), whole("threads")];
const networks = args.networks.split(",");
const only = args.only?.split(",");
const odd = networks.find((n) => !KNOWN.includes(n));
if (odd !== undefined) {
  console.error(`--networks names ${odd}; known are ${KNOWN.join(", ")}.`);
  process.exit(2);
}

if (args.device !== "cpu" && args.device !== "cuda") {
  console.error(`--device ${args.device} is neither cpu nor cuda.`);
  process.exit(2);
}
const onCard = args.device === "cuda";

const hasOpenvino = preparingNamed("openvino", { device: "cpu", threads: 1 }) !== undefined;
if (!hasOpenvino && !onCard) console.error("without OpenVINO, which npm run setup:openvino fetches");
const wanted = (/** @type {string[]} */ [name = "", , engine]) =>
  (engine !== "openvino" || hasOpenvino) && (!only || only.some((o) => name.includes(o)));

/** A contender that waits for its turn. */
async function start(name, command, words) {
  const child = spawn(command, words, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended early; its words are above`);
    return value;
  };
  if ((await next()) !== "ready") throw new Error(`${name} did not start`);
  return {
    name,
    /** @type {number[]} */
    times: [],
    async run() {
      child.stdin.write("run\n");
      this.times.push(Number(await next()));
    },
    async end() {
      child.stdin.write("end\n");
      return JSON.parse(await next());
    },
  };
}

async function measure(network, python, folder) {
  const model = path.join(folder, `${network}.onnx`);
  execFileSync(python, [path.join(here, "peers/contender.py"), "export", network, "--output", model], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  const words = ["--batch", String(batch), "--threads", String(threads), "--device", args.device];
  const contenders = [];
  for (const [name, method, engine, precision = "float32"] of (onCard ? ON_CARD : OURS).filter(wanted))
    contenders.push(
      await start(name, process.execPath, [
        "--expose-gc",
        path.join(here, "peers/contender.mjs"),
        method,
        model,
        String(batch),
        String(threads),
        engine,
        precision,
        args.device,
      ]),
    );
  for (const peer of PEERS.filter((name) => wanted([name])))
    try {
      contenders.push(await start(peer, python, [path.join(here, "peers/contender.py"), peer, network, ...words]));
    } catch (error) {
      console.error(`${network}: without ${peer} (${error.message})`);
    }
  for (let round = 0; round < rounds; round++)
    // Another one begins each round: nobody always follows the same one.
    for (const contender of [
      ...contenders.slice(round % contenders.length),
      ...contenders.slice(0, round % contenders.length),
    ]) {
      process.stderr.write(`\r${network}: round ${round + 1} of ${rounds}, ${contender.name.padEnd(24)}`);
      await contender.run();
    }
  process.stderr.write("\n");
  const rows = [];
  for (const contender of contenders)
    rows.push({
      name: contender.name,
      msPerFrame: median(contender.times) / batch,
      bestMsPerFrame: Math.min(...contender.times) / batch,
      ...(await contender.end()),
    });
  return { network, rows, ratios: ratios(rows) };
}

const folder = mkdtempSync(path.join(tmpdir(), "peers-"));
const results = [];
try {
  const python = args.python ?? pythonWith("peers", PACKAGES);
  for (const network of networks) {
    results.push(await measure(network, python, folder));
    // After each network: a fault in the last does not lose the first.
    if (args.json) writeFileSync(args.json, `${JSON.stringify({ batch, rounds, threads, results }, undefined, 2)}\n`);
  }
} finally {
  if (results.length > 0) console.log(markdown(results, { batch, rounds, threads }));
  rmSync(folder, { recursive: true, force: true });
}
