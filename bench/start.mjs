/**
 * How long the worker takes from nothing to a warm model: the first time, when it compiles, and again, when the compiled
 * model is kept; of the explainer alone, and of the command `run`. Each start is a process of its own.
 *
 *   npm run build && node bench/start.mjs [--model models/efficientnet-lite0] [--rounds 3] [--threads 0]
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: args } = parseArgs({
  options: {
    model: { type: "string", default: join(import.meta.dirname, "../models/efficientnet-lite0") },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "0" },
  },
});
const rounds = Number(args.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 1) {
  console.error(`--rounds ${args.rounds} is not a whole number of 1 or more.`);
  process.exit(2);
}
const modules = ["explain/runtime/explainer.js", "config/schema.js"].map(
  (file) => new URL(`../dist/${file}`, import.meta.url),
);
const script = `
  const [model, threads, cache] = process.argv.slice(2);
  const { createExplainer } = await import(${JSON.stringify(modules[0].href)});
  const { configSchema } = await import(${JSON.stringify(modules[1].href)});
  const explain = configSchema.shape.explain.parse({});
  const explainer = await createExplainer({ ...explain, model, engine: "auto", device: "auto", threads: Number(threads), cache });
  console.log(performance.now());
  await explainer.close();
`;
const cli = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "start-"));
const file = join(folder, "start.mjs");
writeFileSync(file, script);

function fail(stderr) {
  console.error(stderr.split("\n").find((line) => line.includes("Error:")) ?? stderr);
  process.exit(1);
}

/** Seconds from the process's start to a warm explainer. */
function startExplainer(cache) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, resolve(args.model), args.threads, cache], {
    encoding: "utf8",
  });
  return status === 0 ? Number(stdout) / 1000 : fail(stderr);
}

/** Seconds from the start of `run` until it logs that its model is warm. */
async function startRun(cache) {
  const config = join(folder, "run.yaml");
  const settings = {
    model: { path: resolve(args.model) },
    engine: { threads: Number(args.threads), cache },
    sources: [{ name: "picture", url: "testsrc" }],
    sinks: [{ kind: "stdout" }],
    metrics: { port: 0 },
  };
  writeFileSync(config, JSON.stringify(settings));
  const since = performance.now();
  const child = spawn(process.execPath, [cli, "run", config], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((end) => child.once("close", end));
  let text = "";
  let seconds;
  child.stderr.setEncoding("utf8").on("data", (part) => {
    text += part;
    if (seconds !== undefined || !text.includes(" is warm on ")) return;
    seconds = (performance.now() - since) / 1000;
    child.kill("SIGTERM");
  });
  await ended;
  return seconds ?? fail(text);
}

try {
  for (const [what, start] of Object.entries({ "the explainer": startExplainer, run: startRun })) {
    const first = [];
    const again = [];
    for (let i = 0; i < rounds; i++) {
      const cache = join(folder, `${start.name}-${i}`);
      first.push(await start(cache));
      again.push(await start(cache));
    }
    const shown = (list) => list.map((seconds) => seconds.toFixed(2)).join(", ");
    console.log(`${args.model}, ${what}: compiled ${shown(first)} s, from the cache ${shown(again)} s`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
