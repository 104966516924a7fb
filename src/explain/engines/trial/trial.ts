import { createHash, type Hash } from "node:crypto";
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { arch, cpus } from "node:os";
import path from "node:path";
import { cacheHome } from "../../../cache-home.js";
import { VideoExplainerError } from "../../../errors.js";
import { packageVersion } from "../../../version.js";
import { workerUrl } from "../../../worker-url.js";
import { identityOf } from "../devices/look.js";
import type { EngineOptions, Prepared, Verdict, Whereabouts } from "../engine.js";
import { startOwn } from "../own-process.js";
import { recall, remember } from "../remembered.js";

/** Large networks take half a minute to compile. */
const MAX_TRIAL_MS = 300_000;
/** What did not end in time, or failed on a device by more than a wrong result, is tried again after a day: others may have kept it busy. */
const PASSING_MS = 86_400_000;
/** So much of the beginning, the middle and the end of a weights file tells one from another. */
const SAMPLE_BYTES = 2 ** 20;
/** Last words of a process that are kept. */
const MAX_WORDS = 4096;
/** How a process ends by a fault of its own; others are stopped from outside, and may fare better the next time. */
const FAULTS: ReadonlySet<string> = new Set(["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"]);

/** What the process of a trial has to know. */
export interface TrialRequest {
  engine: Whereabouts;
  prepared: Prepared;
  options: Pick<EngineOptions, "device" | "threads" | "streams" | "precision">;
  /** Whether it times a frame, too. */
  measure: boolean;
}

/** What the process of a trial says. */
export interface TrialAnswer extends Verdict {
  /** The fault is a sentence of its own. */
  isSentence?: boolean;
  /** What is missing may be there the next time. */
  isMissing?: boolean;
  /** There was no room in a memory; there may be the next time. */
  isShort?: boolean;
}

/** An engine with a graph in its folder. */
export interface Tried {
  /** Of the engine, for the sentence. */
  name: string;
  version: string;
  engine: Whereabouts;
  /** An ONNX file, its weights, if any, in `GRAPH.weights` beside it. */
  graph: string;
  prepared: Prepared;
}

/**
 * The rule for all that is not onnxruntime on the processor: a graph is first run in a process of its own, for a fault in a library or a
 * driver ends the process that it happens in, and its results for pictures of noise are held against onnxruntime's on the
 * processor. The verdict is looked up in the folder `verdictCache`, and kept there.
 * @throws VideoExplainerError `engine-refused` where it does not run the graph, dies of it, hangs, or is wrong about it
 */
export async function passTrial(tried: Tried, options: EngineOptions): Promise<Verdict> {
  const { threads, streams, precision, device, verdictCache = cacheHome(), measure = false } = options;
  const request = { engine: tried.engine, prepared: tried.prepared, options: { device, threads, streams, precision } };
  const cache = verdictCache === null ? undefined : path.join(verdictCache, "tried");
  const adapter = options.adapter ?? (device === "cpu" ? null : await identityOf());
  const parts = [packageVersion(), tried.name, tried.version, adapter];
  const answer = await tryGraph(tried.graph, { ...request, measure }, parts, cache, options.trialMs);
  const { fault, isSentence, isMissing, isShort: _, ...verdict } = answer;
  if (fault === undefined) return verdict;
  const cpu = device === "cpu";
  throw new VideoExplainerError(
    isMissing ? "engine-missing" : "engine-refused",
    isSentence
      ? fault
      : `the engine ${tried.name} cannot run this model${cpu ? "" : ` on ${device}`} (${fault}); take ${cpu ? "engine onnxruntime" : "device cpu"}`,
  );
}

/** A trial's answer, from the cache where it holds one. `parts`: what beside the request and the graph it is of. */
export async function tryGraph(
  graph: string,
  request: TrialRequest,
  parts: unknown,
  cache: string | undefined,
  limitMs = MAX_TRIAL_MS,
): Promise<TrialAnswer> {
  const hash = createHash("sha256")
    .update(JSON.stringify([request.prepared, request.options, request.engine.name, parts, arch(), cpus()[0]?.model]))
    .update(readFileSync(graph));
  addSamples(hash, `${graph}.weights`);
  const verdict = cache === undefined ? undefined : path.join(cache, `${hash.digest("hex")}.json`);
  const known = verdict === undefined ? undefined : remembered(verdict, request);
  if (known !== undefined) return known;
  const { lasts, ...answer } = await run(graph, request, limitMs);
  if (lasts && verdict !== undefined) remember(verdict, answer);
  return answer;
}

/** What a trial said before; undefined where it said nothing, or not all that is asked. */
function remembered(verdict: string, { measure, options }: TrialRequest): TrialAnswer | undefined {
  return recall<TrialAnswer>(verdict, ({ fault, agreement, slow, frameMs }, ageMs) => {
    const failed = fault !== undefined && agreement === undefined && options.device !== "cpu";
    if ((slow || failed) && ageMs > PASSING_MS) return false;
    return !measure || fault !== undefined || frameMs !== undefined;
  });
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

/** @returns `lasts`: another run would end alike. */
function run(graph: string, request: TrialRequest, limitMs: number): Promise<TrialAnswer & { lasts: boolean }> {
  return new Promise((resolve) => {
    const child = startOwn(workerUrl(import.meta.url, "./trial-process.js"), [graph, JSON.stringify(request)], limitMs);
    let answer: TrialAnswer | undefined;
    let words = "";
    child.on("message", (message) => {
      answer = message as TrialAnswer;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      words = `${words}${text}`.slice(-MAX_WORDS);
    });
    child.on("error", ({ message }) => resolve({ fault: message, lasts: false }));
    child.on("close", (code, signal) => {
      const seconds = Math.round(limitMs / 1000);
      if (child.killed) resolve({ fault: `it was not done after ${seconds} s`, slow: true, lasts: true });
      else if (signal !== null) resolve({ fault: `it died of ${signal}`, lasts: FAULTS.has(signal) });
      else if (answer !== undefined) resolve({ ...answer, lasts: !answer.isMissing && !answer.isShort });
      else resolve({ fault: words.trim().split("\n").at(-1) || `it ended with code ${code}`, lasts: false });
    });
  });
}
