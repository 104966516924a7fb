import { execFile } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { arch, cpus } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { childEnvironment } from "../../../child-environment.js";
import { workerUrl } from "../../../worker-url.js";
import type { EngineOptions, Prepared } from "../engine.js";

/** Longest that a trial may take: large networks take half a minute. */
const LIMIT_MS = 300_000;
/** Of weights, so much of the begin, the middle and the end tells one from another. */
const PART = 2 ** 20;
/** How a process ends by a fault of its own; others are stopped from outside, and may fare better the next time. */
const FAULTS = new Set(["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"]);

/** What the process of a trial has to know. */
export interface TrialWords {
  prepared: Prepared;
  options: EngineOptions;
}

/**
 * Compiles a graph in a process of its own, for a fault in OpenVINO ends the process that it happens in, and compares its results for
 * a picture with onnxruntime's: some of OpenVINO's changes to a graph are wrong. What came of it is not tried again, as long as
 * `kept`, a folder, remembers it.
 * @param graph an ONNX file, its weights, if any, in `graph.weights` beside it
 * @returns what went wrong; undefined when nothing did
 */
export async function trial(graph: string, words: TrialWords, kept: string | undefined): Promise<string | undefined> {
  const text = JSON.stringify(words);
  const hash = createHash("sha256")
    .update(JSON.stringify([text, arch(), cpus()[0]?.model]))
    .update(readFileSync(graph));
  addParts(hash, `${graph}.weights`);
  const mark = kept === undefined ? undefined : path.join(kept, hash.digest("hex"));
  if (mark !== undefined && existsSync(mark)) return readFileSync(mark, "utf8") || undefined;
  const { fault, lasting } = await run([graph, text]);
  if (lasting && mark !== undefined) remember(mark, fault ?? "");
  return fault;
}

function addParts(hash: Hash, file: string): void {
  if (!existsSync(file)) return;
  const handle = openSync(file, "r");
  try {
    const { size } = fstatSync(handle);
    hash.update(String(size));
    const part = Buffer.alloc(PART);
    for (const at of [0, Math.floor(size / 2), Math.max(0, size - PART)])
      hash.update(part.subarray(0, readSync(handle, part, 0, PART, at)));
  } finally {
    closeSync(handle);
  }
}

function run(words: readonly string[]): Promise<{ fault?: string; lasting: boolean }> {
  const script = fileURLToPath(workerUrl(import.meta.url, "./trial-process.js"));
  return new Promise((resolve) => {
    // As this process is: how much memory Node may take, say.
    const { NODE_OPTIONS } = process.env;
    const env = { ...childEnvironment(), ...(NODE_OPTIONS ? { NODE_OPTIONS } : {}) };
    const limits = { env, timeout: LIMIT_MS, killSignal: "SIGKILL" } as const;
    execFile(process.execPath, [script, ...words], limits, (error, _, stderr) => {
      if (!error) resolve({ lasting: true });
      else if (error.killed) resolve({ fault: `took more than ${LIMIT_MS / 1000} s to compile`, lasting: false });
      else if (error.signal) resolve({ fault: `it died of ${error.signal}`, lasting: FAULTS.has(error.signal) });
      else resolve({ fault: stderr.trim().split("\n").at(-1) || error.message, lasting: error.code === REFUSED });
    });
  });
}

/** How the process of a trial ends when OpenVINO refuses the graph or is wrong about it. */
export const REFUSED = 3;

/** Where nothing can be kept, the next start tries again. */
function remember(mark: string, fault: string): void {
  try {
    mkdirSync(path.dirname(mark), { recursive: true, mode: 0o700 });
    writeFileSync(mark, fault);
  } catch {
    return;
  }
}
