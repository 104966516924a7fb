/**
 * What it costs to explain elsewhere (docs/fleet.md).
 *
 *   npm run build && node bench/fleet.mjs pictures [--pictures 40]
 *     what the way that the model's input travels changes in map and probability
 *   npm run build && node bench/fleet.mjs split [--frames 300] [--rounds 3] [--model models/efficientnet-lite0]
 *     throughput, processor time, bytes and latency of `all` and of a capture with one and two explain workers, in turn
 *   node bench/fleet.mjs all --other PATH/dist [--frames 300] [--rounds 5] [--model models/inspection-cnn]
 *     throughput and processor time of `all` beside those of another build, in turn
 *
 * Needs ffmpeg, and for `split` nats-server.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { median } from "./peers/report.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const MAIN = path.join(root, "dist/cli/main.js");
const FILM = path.join(root, "assets/media/bottles.mp4");
const REGION = { x: 370, y: 80, width: 270, height: 270 };

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pictures: { type: "string", default: "40" },
    frames: { type: "string", default: "300" },
    rounds: { type: "string", default: "3" },
    model: { type: "string", default: "models/efficientnet-lite0" },
    other: { type: "string" },
  },
});
const whole = (/** @type {"pictures" | "frames" | "rounds"} */ name) => {
  const value = Number(args[name]);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  console.error(`--${name} ${args[name]} is not a whole number of 1 or more.`);
  process.exit(2);
};

/** @param {number[]} values @param {number} share */
const quantile = (values, share) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;

/** @type {{ name: string, picture: "png" | "jpeg", encode?: (whole: import("sharp").Sharp) => Promise<Uint8Array> }[]} */
const ENCODINGS = [
  { name: "png", picture: "png" },
  ...["4:4:4", "4:2:0"].flatMap((chromaSubsampling) =>
    [85, 90, 92, 95, 97, 100].map((quality) => ({
      name: `jpeg q${quality} ${chromaSubsampling}`,
      picture: /** @type {const} */ ("jpeg"),
      encode: (/** @type {import("sharp").Sharp} */ whole) => whole.jpeg({ quality, chromaSubsampling }).toBuffer(),
    })),
  ),
];

async function pictures() {
  const { createExplainer } = await import("../dist/explain/runtime/explainer.js");
  const { configSchema } = await import("../dist/config/schema.js");
  const { encodePicture, decodePicture } = await import("../dist/fleet/picture.js");
  const { explainerOptions } = await import("../dist/station/explainer-options.js");
  const count = whole("pictures");
  for (const [model, inputs] of /** @type {const} */ ([
    ["models/efficientnet-lite0", filmPictures(count)],
    ["models/inspection-resnet", inspectionPictures()],
  ])) {
    const { explain, engine } = configSchema.parse({ model: { path: model }, engine: { threads: 1 } });
    const explainer = await createExplainer(
      explainerOptions({ model: { path: path.join(root, model) }, explain, engine }),
    );
    const { inputWidth, inputHeight } = explainer.model;
    const frames = await inputs(inputWidth, inputHeight);
    /** @param {SharedArrayBuffer} memory @param {number} scale */
    const input = (memory, scale) => ({ memory, offset: 0, stride: 3 * inputWidth, classifyOnly: false, scale });
    const exact = [];
    for (const memory of frames) exact.push(await explained(explainer, input(memory, 0)));
    console.log(`\n${model}: ${frames.length} pictures of ${inputWidth}x${inputHeight}\n`);
    console.log("| picture | bytes | map: correlation median, least | probability: change median, most | same class |");
    console.log("| --- | --- | --- | --- | --- |");
    for (const { name, picture, encode } of ENCODINGS) {
      const [bytes, correlations, changes] = [[], [], []].map(() => /** @type {number[]} */ ([]));
      let same = 0;
      for (const [k, memory] of frames.entries()) {
        const before = exact[k];
        const given = input(memory, before.relevance.scale);
        const packed = encode
          ? await encode(
              sharp(new Uint8Array(memory), { raw: { width: inputWidth, height: inputHeight, channels: 3 } }),
            )
          : await encodePicture(given, explainer.model, { picture, quality: 97 });
        const decoded = new SharedArrayBuffer(memory.byteLength);
        await decodePicture(packed, picture, explainer.model, decoded);
        const after = await explained(explainer, input(decoded, before.relevance.scale));
        bytes.push(packed.length);
        correlations.push(correlation(before.relevance.heatmap, after.relevance.heatmap));
        changes.push(Math.abs(after.target.probability - before.target.probability));
        if (after.target.index === before.target.index) same++;
      }
      const cells = [
        name,
        Math.round(median(bytes)),
        `${median(correlations).toFixed(4)}, ${Math.min(...correlations).toFixed(4)}`,
        `${median(changes).toFixed(4)}, ${Math.max(...changes).toFixed(4)}`,
        `${same} of ${frames.length}`,
      ];
      console.log(`| ${cells.join(" | ")} |`);
    }
    console.log(`raw: ${3 * inputWidth * inputHeight} bytes`);
    await explainer.close();
  }
}

/** @param {import("../dist/explain/explanation.js").Explainer} explainer @param {any} input */
async function explained(explainer, input) {
  const [{ target, relevance }] = await explainer.explain([input]);
  if (!relevance) throw new Error("it was only classified");
  return { target, relevance };
}

/** Of two 8-bit maps on one scale. @param {Uint8Array} a @param {Uint8Array} b */
function correlation(a, b) {
  const mean = (/** @type {Uint8Array} */ v) => v.reduce((sum, x) => sum + x, 0) / v.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] - ma, b[i] - mb];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Frames spread over the film. @param {number} count @returns {(w: number, h: number) => Promise<SharedArrayBuffer[]>} */
const filmPictures = (count) => async (width, height) => {
  const { x, y } = REGION;
  const every = Math.max(1, Math.floor(1189 / count));
  const filter = `select=not(mod(n\\,${every})),crop=${REGION.width}:${REGION.height}:${x}:${y},scale=${width}:${height}`;
  const out = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
  const raw = execFileSync("ffmpeg", ["-loglevel", "error", "-i", FILM, "-vf", filter, ...out], { maxBuffer: 2 ** 30 });
  const size = 3 * width * height;
  return Array.from({ length: Math.min(count, raw.length / size) }, (_, k) =>
    shared(raw.subarray(k * size, (k + 1) * size)),
  );
};

/** @returns {(w: number, h: number) => Promise<SharedArrayBuffer[]>} */
const inspectionPictures = () => async (width, height) => {
  const folder = path.join(root, "test/fixtures/inspection/images");
  const files = readdirSync(folder).sort();
  const read = (/** @type {string} */ file) =>
    sharp(path.join(folder, file))
      .resize(width, height, { fit: "fill" })
      .removeAlpha()
      .toColourspace("srgb")
      .raw()
      .toBuffer();
  return Promise.all(files.map(async (file) => shared(await read(file))));
};

/** @param {Uint8Array} bytes */
function shared(bytes) {
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}

async function split() {
  const [frames, rounds] = [whole("frames"), whole("rounds")];
  const folder = mkdtempSync(path.join(tmpdir(), "fleet-"));
  try {
    const film = path.join(folder, "film.mp4");
    execFileSync("ffmpeg", ["-loglevel", "error", "-i", FILM, "-frames:v", String(frames), "-c", "copy", film]);
    /** @type {Record<string, Awaited<ReturnType<typeof once>>[]>} */
    const found = {};
    for (let round = 0; round < rounds; round++) {
      for (const workers of [0, 1, 2]) {
        for (const pace of ["fast", "realtime"]) {
          const name = `${workers === 0 ? "all" : `capture + ${workers} explain`}, ${pace}`;
          found[name] ??= [];
          found[name].push(await once(folder, film, workers, pace));
          console.error(`round ${round + 1}: ${name}: ${JSON.stringify(found[name].at(-1))}`);
        }
      }
    }
    console.log(
      "| processes | frames/s | latency p50, p99 (ms) | CPU ms a frame: capture or all, workers, nats-server | bytes a frame into NATS |",
    );
    console.log("| --- | --- | --- | --- | --- |");
    for (const [name, runs] of Object.entries(found)) {
      const of = (/** @type {(run: Awaited<ReturnType<typeof once>>) => number} */ pick, digits = 1) =>
        median(runs.map(pick)).toFixed(digits);
      const cpu = [of((r) => r.cpu.main), of((r) => r.cpu.workers), of((r) => r.cpu.nats)].join(", ");
      console.log(
        `| ${name} | ${of((r) => r.rate)} | ${of((r) => r.p50, 0)}, ${of((r) => r.p99, 0)} | ${cpu} | ${of((r) => r.bytes, 0)} |`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} folder @param {string} film @param {number} workers @param {string} pace */
async function once(folder, film, workers, pace) {
  const [port, http] = [await freePort(), await freePort()];
  const conf = path.join(folder, "nats.conf");
  const store = mkdtempSync(path.join(folder, "store-"));
  writeFileSync(conf, `listen: "127.0.0.1:${port}"\nhttp: "127.0.0.1:${http}"\njetstream { store_dir: "${store}" }\n`);
  const nats = started("nats-server", ["-c", conf]);
  const config = path.join(folder, "config.json");
  writeFileSync(
    config,
    JSON.stringify({
      model: { path: path.resolve(args.model) },
      engine: { threads: 1 },
      sources: [{ name: "film", url: film, pace, region: REGION }],
      sinks: [{ kind: "stdout" }],
      fleet: { servers: [`nats://127.0.0.1:${port}`] },
      metrics: { port: 0 },
    }),
  );
  const run = (/** @type {string} */ role) => started(process.execPath, [MAIN, "run", config, "--role", role]);
  const explainers = Array.from({ length: workers }, () => run("explain"));
  await Promise.all(explainers.map((each) => each.said(/ is warm on /)));
  const main = run(workers === 0 ? "all" : "capture");
  await main.ended;
  const varz = /** @type {{ in_bytes: number }} */ (await (await fetch(`http://127.0.0.1:${http}/varz`)).json());
  const summaries = main
    .out()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  if (summaries.length !== whole("frames"))
    throw new Error(`${summaries.length} frames came of ${args.frames}: ${main.words()}`);
  // The first frames wait for connections and queues to be made.
  const settled = summaries.slice(Math.floor(summaries.length / 5));
  const times = settled.map((summary) => Date.parse(summary.publishedAt));
  const cpu = {
    main: main.cpu(),
    workers: explainers.reduce((sum, each) => sum + each.cpu() - each.cpuAtWarm(), 0),
    nats: nats.cpu(),
  };
  for (const each of [...explainers, nats]) await each.end();
  const each = (/** @type {number} */ total) => total / summaries.length;
  const latencies = settled.map(({ timing }) => timing.totalMs);
  return {
    rate: ((times.length - 1) / (Math.max(...times) - Math.min(...times))) * 1000,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    cpu: { main: each(cpu.main), workers: each(cpu.workers), nats: each(cpu.nats) },
    bytes: each(varz.in_bytes),
  };
}

/** A process whose processor time is looked at while it runs. @param {string} program @param {string[]} args */
function started(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [out, words, cpuMs, atWarm] = ["", "", 0, 0];
  const look = () => {
    try {
      const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // Ticks of a hundredth of a second, in user and system mode.
      cpuMs = 10 * (Number(fields[11]) + Number(fields[12]));
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(look, 50);
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    words = (words + text).slice(-20_000);
  });
  const ended = new Promise((done) => child.once("close", done)).finally(() => clearInterval(timer));
  return {
    ended,
    out: () => out,
    words: () => words,
    cpu: () => {
      look();
      return cpuMs;
    },
    cpuAtWarm: () => atWarm,
    async said(/** @type {RegExp} */ what) {
      while (!what.test(words)) {
        if (child.exitCode !== null) throw new Error(words);
        await new Promise((done) => setTimeout(done, 50));
      }
      look();
      atWarm = cpuMs;
    },
    async end() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** @returns {Promise<number>} */
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });

async function all() {
  if (args.other === undefined) throw new Error("--other names the dist folder of the other build");
  const builds = { "this build": MAIN, "the other": path.resolve(args.other, "cli/main.js") };
  const folder = mkdtempSync(path.join(tmpdir(), "fleet-"));
  try {
    const film = path.join(folder, "film.mp4");
    execFileSync("ffmpeg", ["-loglevel", "error", "-i", FILM, "-frames:v", args.frames, "-c", "copy", film]);
    const config = path.join(folder, "config.json");
    const sources = [{ name: "film", url: film, region: REGION }];
    const model = { path: path.resolve(args.model) };
    writeFileSync(
      config,
      JSON.stringify({ model, engine: { threads: 1 }, sources, sinks: [{ kind: "stdout" }], metrics: { port: 0 } }),
    );
    /** @type {Record<string, { rate: number, cpu: number }[]>} */
    const found = {};
    for (let round = 0; round < whole("rounds"); round++) {
      // The first of a pair finds other caches than the second.
      const turn = Object.entries(builds);
      for (const [name, main] of round % 2 === 0 ? turn : turn.reverse()) {
        const run = started(process.execPath, [main, "run", config]);
        await run.said(/ is warm on /);
        const before = run.cpu();
        await run.ended;
        const times = run
          .out()
          .trimEnd()
          .split("\n")
          .map((line) => Date.parse(JSON.parse(line).publishedAt));
        found[name] ??= [];
        found[name].push({
          rate: ((times.length - 1) / (Math.max(...times) - Math.min(...times))) * 1000,
          cpu: (run.cpu() - before) / times.length,
        });
        console.error(`round ${round + 1}: ${name}: ${JSON.stringify(found[name].at(-1))}`);
      }
    }
    for (const [name, runs] of Object.entries(found)) {
      const [rate, cpu] = [median(runs.map((run) => run.rate)), median(runs.map((run) => run.cpu))];
      console.log(`${name}: ${rate.toFixed(1)} frames/s, ${cpu.toFixed(2)} ms of processor time a frame`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const parts = { pictures, split, all };
const part = parts[/** @type {keyof typeof parts} */ (positionals[0])];
if (!part) {
  console.error("Give `pictures`, `split` or `all`.");
  process.exit(2);
}
await part();
