// `npm test`: sets up like the demo, then lints, checks types and runs every test. Words behind `npm test --` go to vitest.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { widePath } from "./processes.mjs";
import { countResults, failures } from "./results.mjs";
import { buildTensorFlow, fetchImageNode, fetchOpenvino, root, SetupError, setup } from "./setup.mjs";

/** With Chromium comes the software GPU, which is found by Vulkan's loader. */
const PROGRAMS = "ffmpeg ffprobe nats-server chromium vulkan g++ pip3 strace rtsp-server".split(" ");

const STEPS = [
  ["lint", "node_modules/@biomejs/biome/bin/biome", ["check", "--error-on-warnings", "."]],
  ["typecheck", "node_modules/typescript/bin/tsc", ["-p", "tsconfig.json", "--noEmit"]],
  ["scripts and benches", "node_modules/typescript/bin/tsc", ["-p", "tsconfig.scripts.json"]],
];

function main() {
  const counts = { passed: 0, failed: 0 };
  const failed = [];
  try {
    const say = (line) => console.log(`- ${line}`);
    setup({ programs: PROGRAMS, say });
    buildTensorFlow(say);
    // The tests' own, so that the engine `auto` of other tests does not find it.
    fetchOpenvino(say, "node_modules/.cache/openvino");
    fetchImageNode(say);
    const failedSteps = STEPS.filter(([name, script, words]) => {
      console.log(`- ${name}`);
      return node(script, words) !== 0;
    });
    Object.assign(counts, runTests(failed));
    // Again at the end, where it is seen without a search through the words of three thousand tests.
    for (const paragraph of failed) console.log(paragraph);
    for (const [name] of failedSteps) console.log(`FAILED: ${name}; its words are above.`);
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
 * Runs vitest with the arguments behind `npm test --`; without any: unit, integration, then faults (see vitest.config.ts).
 * Adds a paragraph to `failed` for each test that failed.
 */
function runTests(failed) {
  console.log("- tests");
  const folder = mkdtempSync(path.join(tmpdir(), "video-explainer-test-"));
  const report = path.join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const status = node("node_modules/vitest/vitest.mjs", ["run", ...reporters, ...process.argv.slice(2)]);
  const results = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined;
  rmSync(folder, { recursive: true });
  failed.push(...failures(results, root));
  return countResults(results, status);
}

/** Runs a script with this Node, its output passed on; returns the exit status. */
function node(script, words) {
  const env = { ...process.env, PATH: widePath() };
  /** @type {import("node:child_process").StdioOptions} */
  const stdio = ["ignore", "inherit", "inherit"];
  return spawnSync(process.execPath, [script, ...words], { cwd: root, env, stdio }).status ?? 1;
}

main();
