import { execFile } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { arch, cpus } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { childEnvironment } from "../../../child-environment.js";
import { workerUrl } from "../../../worker-url.js";
import type { EngineOptions, Prepared } from "../engine.js";

/** Large networks take half a minute. */
const MAX_VALIDATION_MS = 300_000;
/** So much of the beginning, the middle and the end of a weights file tells one from another. */
const SAMPLE_BYTES = 2 ** 20;
/** How a process ends by a fault of its own; others are stopped from outside, and may fare better the next time. */
const FAULTS = new Set(["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"]);

/** What the validating process has to know. */
export interface ValidationRequest {
  prepared: Prepared;
  options: EngineOptions;
}

/**
 * Compiles a graph in a process of its own, for a fault in OpenVINO ends the process that it happens in, and compares its results for
 * a picture with onnxruntime's: some of OpenVINO's changes to a graph are wrong. The verdict is
 * looked up in `verdictCache`, a folder, and kept there where it is deterministic.
 * @param graph an ONNX file, its weights, if any, in `graph.weights` beside it
 * @returns what went wrong; undefined when nothing did
 */
export async function validateInSubprocess(
  graph: string,
  request: ValidationRequest,
  verdictCache: string | undefined,
): Promise<string | undefined> {
  const text = JSON.stringify(request);
  const hash = createHash("sha256")
    .update(JSON.stringify([text, arch(), cpus()[0]?.model]))
    .update(readFileSync(graph));
  addSamples(hash, `${graph}.weights`);
  const verdict = verdictCache === undefined ? undefined : path.join(verdictCache, hash.digest("hex"));
  if (verdict !== undefined && existsSync(verdict)) return readFileSync(verdict, "utf8") || undefined;
  const { fault, deterministic } = await run([graph, text]);
  if (deterministic && verdict !== undefined) keep(verdict, fault ?? "");
  return fault;
}

function addSamples(hash: Hash, file: string): void {
  if (!existsSync(file)) return;
  const handle = openSync(file, "r");
  try {
    const { size } = fstatSync(handle);
    hash.update(String(size));
    const part = Buffer.alloc(SAMPLE_BYTES);
    for (const at of [0, Math.floor(size / 2), Math.max(0, size - SAMPLE_BYTES)])
      hash.update(part.subarray(0, readSync(handle, part, 0, SAMPLE_BYTES, at)));
  } finally {
    closeSync(handle);
  }
}

function run(args: readonly string[]): Promise<{ fault?: string; deterministic: boolean }> {
  const script = fileURLToPath(workerUrl(import.meta.url, "./validation-process.js"));
  return new Promise((resolve) => {
    // As this process is: how much memory Node may take, say.
    const { NODE_OPTIONS } = process.env;
    const env = { ...childEnvironment(), ...(NODE_OPTIONS ? { NODE_OPTIONS } : {}) };
    const limits = { env, timeout: MAX_VALIDATION_MS, killSignal: "SIGKILL" } as const;
    execFile(process.execPath, [script, ...args], limits, (error, _, stderr) => {
      if (!error) resolve({ deterministic: true });
      else if (error.killed)
        resolve({ fault: `took more than ${MAX_VALIDATION_MS / 1000} s to compile`, deterministic: false });
      else if (error.signal) resolve({ fault: `it died of ${error.signal}`, deterministic: FAULTS.has(error.signal) });
      else resolve({ fault: stderr.trim().split("\n").at(-1) || error.message, deterministic: error.code === REFUSED });
    });
  });
}

/** The exit code of the validating process when OpenVINO refuses the graph or is wrong about it. */
export const REFUSED = 3;

/** Where nothing can be kept, the next start tries again. */
function keep(verdict: string, fault: string): void {
  try {
    mkdirSync(path.dirname(verdict), { recursive: true, mode: 0o700 });
    writeFileSync(verdict, fault);
  } catch {
    return;
  }
}
