// `npm test`: sets up like the demo, then lints, checks types and runs every test. Words behind `npm test --` go to vitest.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { constants, setPriority, tmpdir } from "node:os";
import path from "node:path";
import { fetchDeployTools } from "./deploy-tools.mjs";
import { widePath } from "./processes.mjs";
import { countResults, failures } from "./results.mjs";
import { buildTensorFlow, fetchImageNode, fetchOpenvino, passOn, root, SetupError, setup } from "./setup.mjs";

/** With Chromium comes the software GPU, which is found by Vulkan's loader. */
const PROGRAMS = "ffmpeg ffprobe nats-server chromium vulkan g++ pip3 strace rtsp-server".split(" ");

/** @type {[name: string, script: string, words: string[]][]} */
const STEPS = [
  ["lint", "node_modules/@biomejs/biome/bin/biome", ["check", "--error-on-warnings", "."]],
  ["typecheck", "node_modules/typescript/bin/tsc", ["-p", "tsconfig.json", "--noEmit"]],
  ["scripts and benches", "node_modules/typescript/bin/tsc", ["-p", "tsconfig.scripts.json"]],
];

async function main() {
  const counts = { passed: 0, failed: 0 };
  const failed = [];
  try {
    const say = (line) => console.log(`- ${line}`);
    setup({ programs: PROGRAMS, say });
    // What is fetched beside what computes; one after the other they took a minute longer.
    const [failedSteps] = await allOf(
      check(),
      buildTensorFlow(),
      // The tests' own, so that the engine `auto` of other tests does not find it.
      fetchOpenvino("node_modules/.cache/openvino"),
      fetchImageNode(),
      fetchDeployTools(),
    );
    Object.assign(counts, await runTests(failed));
    // Again at the end, where it is seen without a search through the words of three thousand tests.
    for (const paragraph of failed) console.log(paragraph);
    for (const name of failedSteps) console.log(`FAILED: ${name}; its words are above.`);
    counts.failed += failedSteps.length;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    counts.failed += 1;
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed === 0 ? 0 : 1;
}

/**
 * Like Promise.all, but waits for every one before it throws: nothing may be said behind the last line.
 *
 * @template T
 * @param {[Promise<T>, ...Promise<void>[]]} work
 */
async function allOf(...work) {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** Lint and types, one after the other; returns the names of those that failed. */
async function check() {
  const failed = [];
  for (const [name, script, words] of STEPS) {
    if ((await passOn(name, process.execPath, [script, ...words], { env: environment() })) !== 0) failed.push(name);
  }
  return failed;
}

/** Of vitest.config.ts: what is run one after the other, and what beside it, with the time that it leaves. */
const IN_FRONT = ["unit", "integration", "faults"];
const BESIDE = ["numeric"];

/**
 * Runs vitest with the arguments behind `npm test --`; without any: everything. Adds a paragraph to `failed` for each
 * test that failed.
 */
async function runTests(failed) {
  console.log("- tests");
  const folder = mkdtempSync(path.join(tmpdir(), "video-explainer-test-"));
  try {
    const given = process.argv.slice(2);
    if (given.length > 0) return resultsOf(folder, node(VITEST, words(folder, "all", given)), "all", failed);
    const beside = startBeside(folder);
    const status = node(VITEST, words(folder, "front", IN_FRONT.map(project)));
    const front = resultsOf(folder, status, "front", failed);
    const [besideStatus] = await beside.ended;
    console.log(readFileSync(beside.output, "utf8"));
    const back = resultsOf(folder, besideStatus ?? 1, "beside", failed);
    return { passed: front.passed + back.passed, failed: front.failed + back.failed };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const VITEST = "node_modules/vitest/vitest.mjs";
const project = (name) => `--project=${name}`;
const reportOf = (folder, name) => path.join(folder, `${name}.json`);

const words = (folder, name, more) => [
  "run",
  ...["--reporter=default", "--reporter=json", `--outputFile.json=${reportOf(folder, name)}`],
  ...more,
];

/** Starts the tests that wait for nothing, at the lowest priority; what they say is kept for the end. */
function startBeside(folder) {
  const output = path.join(folder, "beside.log");
  const file = openSync(output, "w");
  const args = [VITEST, ...words(folder, "beside", BESIDE.map(project))];
  const child = spawn(process.execPath, args, { cwd: root, env: environment(), stdio: ["ignore", file, file] });
  closeSync(file);
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  return { output, ended: once(child, "exit") };
}

function resultsOf(folder, status, name, failed) {
  const report = reportOf(folder, name);
  const results = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined;
  failed.push(...failures(results, root));
  return countResults(results, status);
}

const environment = () => ({ ...process.env, PATH: widePath() });

/** Runs a script with this Node, its output passed on; returns the exit status. */
function node(script, words) {
  /** @type {import("node:child_process").StdioOptions} */
  const stdio = ["ignore", "inherit", "inherit"];
  return spawnSync(process.execPath, [script, ...words], { cwd: root, env: environment(), stdio }).status ?? 1;
}

await main();
