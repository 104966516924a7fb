import { availableParallelism } from "node:os";
import type { Device } from "../explain/engine-names.js";
import { lookForDevices } from "../explain/engines/devices/look.js";
import type { NumericTensor, Runner } from "../explain/engines/engine.js";
import { engineNamed } from "../explain/engines/registry.js";
import type { ExplainInput } from "../explain/explanation.js";
import { type MethodName, R_LRP_NAMES } from "../explain/method-names.js";
import { type LoadedModel, loadModel, requirePreprocessing } from "../explain/model/load.js";
import { DEFAULT_METHOD } from "../explain/options.js";
import { framesProgram } from "../explain/programs/frames.js";
import { compileRunner } from "../explain/runtime/choose-device.js";
import { createExplainer } from "../explain/runtime/explainer.js";
import type { ExplainerOptions } from "../explain/runtime/explainer-options.js";
import { gatherer } from "../explain/runtime/gather.js";
import { rounded } from "./figures.js";
import { interleaved, timed } from "./interleaved.js";
import { comparePlaces, type PlaceFigures, placesHere } from "./places.js";

/** Frames in one run. */
export const BATCHES = [1, 4, 8] as const;

/** Forward pass alone beside forward pass and explanation, in milliseconds a frame; medians of runs in turn. */
export interface RatioRow {
  /** `session`: one run of the engine. `explainer`: as a station runs it, batches shared out over its threads. */
  way: "session" | "explainer";
  method: MethodName;
  batch: number;
  rounds: number;
  forwardMsPerFrame: number;
  explainMsPerFrame: number;
  /** explain / forward */
  ratio: number;
}

export interface EngineFigures {
  engine: string;
  /** Threads within a session, and of an explainer in all. */
  threads: number;
  /** Paid once at start, in milliseconds. */
  setup: {
    loadModelMs: number;
    programs: { program: MethodName | "forward"; emitMs: number; sessionMs: number; firstRunMs: number }[];
    explainers: { method: MethodName; readyMs: number }[];
  };
  rows: RatioRow[];
  /** Every engine on the processor, and every other device that is here. */
  engines: PlaceFigures[];
}

export interface EngineBenchOptions {
  /** Of every method in turn. */
  explainer: ExplainerOptions;
  methods?: readonly MethodName[];
  /** As many as the largest batch. */
  frames: readonly ExplainInput[];
  /** Measuring time in all. */
  seconds: number;
}

/** `r-lrp-local` costs what `r-lrp-graded` does: the same operations, with other weights. */
export const COMPARED_METHODS = R_LRP_NAMES.filter((method) => method !== "r-lrp-local");

/** Measures the cost of explaining beside the forward pass alone, on real frames. */
export async function benchEngine(options: EngineBenchOptions, stop: AbortSignal): Promise<EngineFigures> {
  const { methods = COMPARED_METHODS, explainer: explained } = options;
  const loading = await timed(() => loadModel(explained.model, explained));
  const model = loading.value;
  const figures: EngineFigures = {
    engine: explained.engine,
    threads: explained.threads || availableParallelism(),
    setup: { loadModelMs: rounded(loading.ms, 1), programs: [], explainers: [] },
    rows: [],
    engines: [],
  };
  const each = options.seconds / (methods.length * BATCHES.length * 2);
  const add = async (
    row: Pick<RatioRow, "way" | "method" | "batch">,
    a: () => Promise<unknown>,
    b: () => Promise<unknown>,
  ) => {
    const got = await interleaved(a, b, each, stop);
    figures.rows.push({
      ...row,
      rounds: got.rounds,
      forwardMsPerFrame: rounded(got.a / row.batch),
      explainMsPerFrame: rounded(got.b / row.batch),
      ratio: rounded(got.b / got.a, 2),
    });
  };

  const { inputWidth, inputHeight } = model.info;
  const feeds = (batch: number): Record<string, NumericTensor> => ({
    frames: gatherer(
      inputWidth,
      inputHeight,
    )(Array.from({ length: batch }, (_, k) => options.frames[k % options.frames.length]!)),
    scale: { data: new Float32Array(batch), dims: [batch] },
  });
  const place = await placeOf(explained);
  const forward = await build(model, undefined, explained, place, figures, feeds(1));
  figures.engine = forward.name;
  for (const method of methods) {
    const both = await build(model, method, explained, place, figures, feeds(1));
    for (const batch of BATCHES) {
      const feed = feeds(batch);
      await add(
        { way: "session", method, batch },
        () => forward.run(feed),
        () => both.run(feed),
      );
    }
    await both.close();
  }
  await forward.close();
  figures.engines = await comparePlaces(model, explained, await placesHere(explained.device), feeds, each, stop);

  for (const method of methods) {
    const made = await timed(() => createExplainer({ ...explained, method, classifier: true }));
    figures.setup.explainers.push({ method, readyMs: rounded(made.ms, 1) });
    const explainer = made.value;
    try {
      for (const batch of BATCHES) {
        const all = options.frames.slice(0, batch);
        const only = all.map((frame) => ({ ...frame, classifyOnly: true }));
        await add(
          { way: "explainer", method, batch },
          () => explainer.explain(only),
          () => explainer.explain(all),
        );
      }
    } finally {
      await explainer.close();
    }
  }
  return figures;
}

/** The engine and device of a station with these options. */
async function placeOf(explained: ExplainerOptions): Promise<{ engine: string; device: Device }> {
  const { engine, device } = explained;
  if (device !== "auto") return { engine, device };
  if ((await lookForDevices()).length === 0) return { engine, device: "cpu" };
  const chosen = await compileRunner(explained, false);
  await chosen.runner.close();
  return chosen.device === "cpu" ? { engine, device: "cpu" } : chosen;
}

/** The program of a method, or of the forward pass alone, ready to run. */
async function build(
  model: LoadedModel,
  method: MethodName | undefined,
  explained: ExplainerOptions,
  { engine, device }: { engine: string; device: Device },
  figures: EngineFigures,
  feed: Record<string, NumericTensor>,
): Promise<Runner> {
  const { threads, precision } = explained;
  const options = { ...DEFAULT_METHOD, ...(method ? { method } : {}) };
  const emitted = await timed(() =>
    framesProgram(model.network, options, requirePreprocessing(model), explained, method === undefined),
  );
  const session = await timed(() => engineNamed(engine)(emitted.value, { device, threads, precision }));
  const first = await timed(() => session.value.run(feed));
  figures.setup.programs.push({
    program: method ?? "forward",
    emitMs: rounded(emitted.ms, 1),
    sessionMs: rounded(session.ms, 1),
    firstRunMs: rounded(first.ms, 1),
  });
  return session.value;
}
