/**
 * How long the worker takes from nothing to a warm model: the first time, when it compiles, and again, when the compiled
 * model is kept. Each start is a process of its own.
 *
 *   npm run build && node bench/start.mjs [--model models/efficientnet-lite0] [--rounds 3] [--threads 0]
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
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
const folder = mkdtempSync(join(tmpdir(), "start-"));
const file = join(folder, "start.mjs");
writeFileSync(file, script);

/** Seconds from the process's start to a warm model. */
function start(cache) {
  const words = [file, resolve(args.model), args.threads, cache];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
  if (status === 0) return Number(stdout) / 1000;
  console.error(stderr.split("\n").find((line) => line.includes("Error:")) ?? stderr);
  process.exit(1);
}

try {
  const first = [];
  const again = [];
  for (let i = 0; i < rounds; i++) {
    const cache = join(folder, String(i));
    first.push(start(cache));
    again.push(start(cache));
  }
  const shown = (list) => list.map((seconds) => seconds.toFixed(2)).join(", ");
  console.log(`${args.model}: compiled ${shown(first)} s, from the cache ${shown(again)} s`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
