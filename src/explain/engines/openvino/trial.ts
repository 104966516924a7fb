import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { workerUrl } from "../../../worker-url.js";
import type { EngineOptions, Prepared } from "../engine.js";

/** Longest that compiling may take: large networks take ten seconds. */
const LIMIT_MS = 300_000;

/** What the process of a trial has to know. */
export interface TrialWords {
  prepared: Prepared;
  options: EngineOptions;
}

/**
 * Compiles a graph in a process of its own, for a fault in OpenVINO ends the process that it happens in, and compares its maps of
 * a picture with onnxruntime's: some of OpenVINO's changes to a graph are wrong. What went well once is not tried again, as long
 * as `kept`, a folder, remembers it.
 * @returns what went wrong; undefined when nothing did
 */
export async function trial(graph: string, words: TrialWords, kept: string | undefined): Promise<string | undefined> {
  const text = JSON.stringify(words);
  const key = createHash("sha256").update(text).update(readFileSync(graph)).digest("hex");
  const mark = kept === undefined ? undefined : path.join(kept, key);
  if (mark !== undefined && existsSync(mark)) return undefined;
  const fault = await run([graph, text]);
  if (fault === undefined && mark !== undefined) remember(mark);
  return fault;
}

function run(words: readonly string[]): Promise<string | undefined> {
  const script = workerUrl(import.meta.url, "./trial-process.js");
  return new Promise((resolve) => {
    execFile(process.execPath, [script.pathname, ...words], { timeout: LIMIT_MS }, (error, _, stderr) => {
      if (!error) resolve(undefined);
      else if (error.killed) resolve(`has not compiled it within ${LIMIT_MS / 1000} s`);
      else if (error.signal) resolve(`ended with ${error.signal} while it compiled it`);
      else resolve(stderr.split("\n")[0] || error.message.split("\n")[0]);
    });
  });
}

/** Where nothing can be kept, the next start tries again. */
function remember(mark: string): void {
  try {
    mkdirSync(path.dirname(mark), { recursive: true, mode: 0o700 });
    writeFileSync(mark, "");
  } catch {
    return;
  }
}
