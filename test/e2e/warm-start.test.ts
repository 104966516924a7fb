import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { MAIN } from "../cli/run-cli.js";
import { until } from "../support/sinks.js";
import { INSPECTION, START_MS, temporaryFolder, writeConfig } from "./worker.js";

const folder = temporaryFolder();

/** Starts `run` and stops it once its model is warm; how often any of its threads opened the model's file. */
async function opened(config: string): Promise<number> {
  const trace = join(folder, "trace");
  const strace = ["-f", "--seccomp-bpf", "-qq", "-e", "trace=openat", "-e", "signal=none", "-o", trace];
  // The shell says under which id node goes on.
  const args = [...strace, "sh", "-c", 'echo $$; exec "$@"', "sh", process.execPath, MAIN, "run", config];
  const child = spawn("strace", args, { stdio: ["ignore", "pipe", "pipe"] });
  let heard = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (heard += chunk));
  const ended = new Promise<number | null>((done) => child.once("close", done));
  await until("a warm model", () => child.exitCode !== null || heard.includes(" is warm on "), START_MS);
  if (child.exitCode === null) process.kill(Number(/\d+/.exec(heard)![0]), "SIGTERM");
  expect(await ended).toBe(0);
  return readFileSync(trace, "utf8").split(`"${join(INSPECTION.path, "model.onnx")}"`).length - 1;
}

it("reads the model once for each thread that explains, and not at all where what was compiled is kept", async () => {
  const config = writeConfig(
    {
      station: "line-1",
      model: INSPECTION,
      engine: { kind: "onnxruntime", threads: 1, cache: join(folder, "cache") },
      sources: [{ name: "belt", url: "testsrc" }],
      sinks: [{ kind: "stdout" }],
      metrics: { port: 0 },
    },
    folder,
  );
  expect(await opened(config)).toBe(1);
  expect(await opened(config)).toBe(0);
});
