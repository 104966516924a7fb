import { parentPort, workerData } from "node:worker_threads";
import { plainError, VideoExplainerError } from "../../errors.js";
import { deviceOf } from "../engine-names.js";
import type { NumericTensor, Runner } from "../engines/engine.js";
import type { ClassScore, ExplainInput, Explanation } from "../explanation.js";
import { coarseSize } from "../programs/frames.js";
import { centroid, findRegions } from "../programs/regions.js";
import { compileRunner } from "./compile-runner.js";
import type { ThreadMessage, ThreadRequest } from "./engine-thread.js";
import type { ExplainerOptions } from "./explainer-options.js";
import { gatherer } from "./gather.js";

const options = workerData as ExplainerOptions;
const port = parentPort!;
const post = (message: ThreadMessage, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

/** Elements of all activations of a run up to which batching pays on a CPU (measured: 5 to 10 % on small networks, nothing beyond). */
const CACHED_ELEMENTS = 4_000_000;

/** Outputs of a few numbers a frame that are no numbers where anything behind them is none. */
const NUMBERS = [
  "target_logit",
  "target_probability",
  "top_probability",
  "total",
  "positive",
  "negative",
  "peak",
  "grid",
];

async function start(): Promise<void> {
  const made = await compileRunner(options, false);
  const { runner: explainer, engine: taken, info, preprocessing, activations, notes } = made;
  let classifier: Runner | undefined;
  if ((options.every ?? 1) > 1) {
    const second = await compileRunner({ ...options, engine: taken }, true);
    classifier = second.runner;
    notes.push(...second.notes);
  }
  post({
    kind: "compiled",
    shared: { engine: taken, explainer: explainer.shared, classifier: classifier?.shared },
  });
  const { width, height } = preprocessing;
  const gather = gatherer(width, height);

  const score = (index: number, probability: number): ClassScore => ({
    index,
    label: info.labels[index] ?? `class ${index}`,
    probability: Math.min(1, Math.max(0, probability)),
  });
  const classification = (out: Record<string, NumericTensor>, n: number): Pick<Explanation, "top" | "target"> => {
    const k = out.top_index!.dims[1]!;
    const target = score(Number(out.target_index!.data[n]), Number(out.target_probability!.data[n]));
    return {
      top: Array.from({ length: k }, (_, i) =>
        score(Number(out.top_index!.data[n * k + i]), Number(out.top_probability!.data[n * k + i])),
      ),
      target: { ...target, logit: Number(out.target_logit!.data[n]) },
    };
  };

  /** A frame that overflows inside of the network is lost, and said to be: nothing may look like an answer that is none. */
  const requireNumbers = (out: Record<string, NumericTensor>): void => {
    for (const name of NUMBERS)
      for (const value of (out[name]?.data ?? []) as Float32Array)
        if (!Number.isFinite(value))
          throw new VideoExplainerError(
            "not-finite",
            `the network's ${name.replaceAll("_", " ")} is ${value}: its weights, or mean and std in its card, are too large for float32; give a network that computes in float32`,
          );
  };

  const coarse = coarseSize(preprocessing);
  const explanation = (out: Record<string, NumericTensor>, n: number): Explanation => {
    const at = (name: string): number => Number(out[name]!.data[n]);
    const part = (name: string, size: number) => (out[name]!.data as Float32Array).subarray(n * size, (n + 1) * size);
    const map = part("coarse", coarse.rows * coarse.columns);
    return {
      ...classification(out, n),
      relevance: {
        method: options.method,
        positive: at("positive"),
        negative: at("negative"),
        concentration: at("concentration"),
        centroid: centroid(map, coarse.rows, coarse.columns, width, height),
        grid: { ...options.grid, values: Array.from(part("grid", options.grid.rows * options.grid.columns)) },
        regions: findRegions(map, coarse.rows, coarse.columns, width, height),
        scale: at("used_scale"),
        peak: at("peak"),
        heatmap: (out.heatmap!.data as Uint8Array).slice(n * width * height, (n + 1) * width * height),
        flows: at("total") > 0,
      },
    };
  };

  /** Frames in one run: larger ones gain nothing once their activations leave the cache, and take memory. */
  const together =
    deviceOf(options.device) !== "cpu"
      ? Number.POSITIVE_INFINITY
      : Math.max(1, Math.floor(CACHED_ELEMENTS / activations));

  async function runAll(batch: readonly ExplainInput[]): Promise<Explanation[]> {
    const results: Explanation[] = [];
    for (let at = 0; at < batch.length; at += together) results.push(...(await run(batch.slice(at, at + together))));
    return results;
  }

  async function run(batch: readonly ExplainInput[]): Promise<Explanation[]> {
    const results = new Array<Explanation>(batch.length);
    for (const classifyOnly of [false, true]) {
      const picks = batch.flatMap((b, k) => (b.classifyOnly === classifyOnly ? [k] : []));
      if (picks.length === 0) continue;
      const chosen = picks.map((k) => batch[k]!);
      const frames = gather(chosen);
      const scale = { data: Float32Array.from(chosen, (c) => c.scale), dims: [chosen.length] };
      const out = await (classifyOnly && classifier ? classifier.run({ frames }) : explainer.run({ frames, scale }));
      requireNumbers(out);
      picks.forEach((k, n) => {
        results[k] = classifyOnly ? { ...classification(out, n), relevance: null } : explanation(out, n);
      });
    }
    return results;
  }

  // The first run allocates and picks kernels: it is paid before the worker says it is ready.
  await explainer.run({
    frames: { data: new Uint8Array(height * width * 3), dims: [1, height, width, 3] },
    scale: { data: new Float32Array(1), dims: [1] },
  });

  let queue = Promise.resolve();
  port.on("message", (request: ThreadRequest) => {
    queue = queue.then(async () => {
      if (request.kind === "close") {
        await explainer.close();
        await classifier?.close();
        port.close();
        return;
      }
      try {
        const explanations = await runAll(request.batch);
        const heatmaps = explanations.flatMap((e) => (e.relevance ? [e.relevance.heatmap.buffer as ArrayBuffer] : []));
        post({ kind: "result", id: request.id, explanations }, heatmaps);
      } catch (error) {
        post({ kind: "failed", id: request.id, error: plainError(error) });
      }
    });
  });
  const { name: engine, passed = [], ignores = [] } = explainer;
  post({ kind: "ready", model: info, engine, passed, ignores, notes });
}

start().catch((error: unknown) => {
  post({ kind: "failed", error: plainError(error) });
  port.close();
});
