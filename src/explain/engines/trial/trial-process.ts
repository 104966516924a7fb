// node trial-process.js GRAPH REQUEST: runs a graph on an engine for pictures of noise, and tells the process that asked how the results
// compare with onnxruntime's on the processor. REQUEST: JSON of a TrialRequest.
import path from "node:path";
import { VideoExplainerError } from "../../../errors.js";
import { endWithParent } from "../end-with-parent.js";
import type { EngineOptions, Prepared, PreparingEngine, Runner } from "../engine.js";
import { runOnnx } from "../onnxruntime-session.js";
import { compare, type Results } from "./agreement.js";
import type { TrialAnswer, TrialRequest } from "./trial.js";

/** Frames of a run, where a graph takes several: what mixes them up is wrong for two. */
const FRAMES = 2;
/** As a station batches them unless told otherwise. */
const TIMED_FRAMES = 8;
const [MAX_RUNS, ENOUGH_MS] = [7, 3000];

/** Pictures of noise, the same each time. */
function noise({ inputs }: Prepared, frames: number): Results {
  let state = 12345;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Object.fromEntries(
    inputs.map(({ name, kind, dims }) => {
      const all = dims.map((d) => (d < 0 ? frames : d));
      const length = all.reduce((product, d) => product * d, 1);
      // A scale of 0 is each frame's own.
      const value =
        all.length === 1 ? () => 0 : kind === "uint8" ? () => Math.floor(256 * next()) : () => 4 * next() - 2;
      const data = kind === "uint8" ? Uint8Array.from({ length }, value) : Float32Array.from({ length }, value);
      return [name, { data, dims: all }];
    }),
  );
}

/** Milliseconds a frame, each run a batch: the median after one to warm up. */
async function timed(runner: Runner, prepared: Prepared): Promise<number> {
  const feeds = noise(prepared, TIMED_FRAMES);
  await runner.run(feeds);
  const times: number[] = [];
  const since = performance.now();
  while (times.length < MAX_RUNS && (times.length === 0 || performance.now() - since < ENOUGH_MS)) {
    const before = performance.now();
    await runner.run(feeds);
    times.push(performance.now() - before);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]! / TIMED_FRAMES;
}

async function answer(graph: string, { engine, prepared, options, measure }: TrialRequest): Promise<TrialAnswer> {
  const found = (await import(engine.module)) as Record<string, PreparingEngine>;
  const open = (precision: EngineOptions["precision"]): Promise<Runner> =>
    found[engine.name]!.open(path.dirname(graph), prepared, { ...options, precision, skipValidation: true });
  if (engine.isReference) {
    const runner = await open(options.precision);
    const frameMs = await timed(runner, prepared);
    await runner.close();
    return { frameMs };
  }
  const feeds = noise(prepared, engine.frames ?? FRAMES);
  // What the processor does not run either is no fault of this engine's own words.
  const expected = await runOnnx(graph, feeds).catch((error: Error) => Promise.reject(new Error(error.message)));
  const precisions = options.precision === "bfloat16" ? (["float32", "bfloat16"] as const) : (["float32"] as const);
  let verdict: TrialAnswer = {};
  for (const precision of precisions) {
    const runner = await open(precision);
    const got = await runner.run(feeds);
    const { agreement, fault } = compare(got, expected, precision);
    verdict = { agreement, ...(fault !== undefined && { fault }) };
    if (fault === undefined && measure && precision === precisions.at(-1))
      verdict.frameMs = await timed(runner, prepared);
    await runner.close();
    if (fault !== undefined) break;
  }
  return verdict;
}

/** What engines and drivers say when a memory is full, perhaps of other programs. */
const SHORT = /out[ _]of[ _](\w+[ _])?(memory|resources)|bad_alloc|fail\w* to allocate|allocation failed/i;

function failed(error: unknown): TrialAnswer {
  const words = error instanceof Error ? error.message : String(error);
  const isShort = SHORT.test(words);
  return error instanceof VideoExplainerError
    ? { fault: words, isSentence: true, isMissing: error.code === "engine-missing", isShort }
    : { fault: words.split("\n")[0]!, isShort };
}

endWithParent();
const [graph, text] = process.argv.slice(2) as [string, string];
const verdict = await answer(graph, JSON.parse(text) as TrialRequest).catch(failed);
process.send!(verdict, () => process.exit(0));
