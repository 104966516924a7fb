import { parentPort, workerData } from "node:worker_threads";
import { plainError, VideoExplainerError } from "../errors.js";
import { weightedLayers } from "../explain/network/randomised.js";
import { allFinite } from "../explain/onnx/finite.js";
import { drawn } from "./draw.js";
import { loadEvaluated } from "./evaluated-model.js";
import { type MapSource, Programs } from "./map-source.js";
import { measure, requestOf } from "./measure.js";
import type { EvaluatedMethod } from "./methods.js";
import { randomise, stageCounts } from "./randomise.js";
import type { Answers, FromWorker, Item, Task, ToWorker, WorkerSettings } from "./worker-messages.js";

const settings = workerData as WorkerSettings;
const port = parentPort!;
const say = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

const model = loadEvaluated(settings);
const programs = new Programs(model, settings.engine);
const { width, height } = programs.pictures;
const scores = programs.scores();
const measuring = {
  ...{ width, height, seed: settings.seed, steps: settings.steps, metrics: new Set(settings.metrics) },
  probabilities: async (frames: Uint8Array) => (await scores).of(frames),
};

/** The method in hand, which is opened once for many tasks. */
let open: { name: string; source: MapSource } | undefined;
async function sourceOf(method: EvaluatedMethod): Promise<MapSource> {
  if (open?.name !== method.name) {
    await open?.source.close();
    open = undefined;
    open = { name: method.name, source: checked(await programs.source(method), method) };
  }
  return open.source;
}

/** Maps that hold no number would become figures that look like any other. */
const checked = (source: MapSource, { name }: EvaluatedMethod): MapSource => ({
  ...source,
  async maps(request) {
    const maps = await source.maps(request);
    if (!maps.every(allFinite))
      throw new VideoExplainerError(
        "not-finite",
        `the maps of ${name} hold values that are no finite numbers; leave the method out`,
      );
    return maps;
  },
});

const ROUNDS = 7;

/** Forward pass and explanation in turn; the least of each, since what else the machine does only adds to it. */
async function time(method: EvaluatedMethod, items: readonly Item[]): Promise<Answers["time"]> {
  const source = await sourceOf(method);
  const request = requestOf(settings, items);
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const from = performance.now();
    await work();
    return (performance.now() - from) / items.length;
  };
  const [forward, explain]: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    const [a, b] = [
      await timed(() => measuring.probabilities(request.frames)),
      await timed(() => source.maps(request)),
    ];
    // The first of each warms up.
    if (round > 0) {
      forward.push(a);
      explain.push(b);
    }
  }
  return { forwardMs: Math.min(...forward), explainMs: Math.min(...explain) };
}

async function answer(task: Task): Promise<Answers[Task["kind"]]> {
  const { items } = task;
  switch (task.kind) {
    case "classify": {
      const frames = requestOf(
        settings,
        items.map((item) => ({ ...item, targets: [0] })),
      ).frames;
      return (await measuring.probabilities(frames)).map((probabilities) => ({
        top: probabilities.indexOf(Math.max(...probabilities)),
        probabilities,
      }));
    }
    case "measure": {
      const measured = await measure(await sourceOf(task.method), items, measuring);
      if (!task.keepMaps) for (const each of measured.flat()) each.map = undefined;
      return measured;
    }
    case "randomise":
      return randomise(programs, task.method, items, settings);
    case "time":
      return time(task.method, items);
    case "draw": {
      const maps = task.method && (await (await sourceOf(task.method)).maps(requestOf(settings, items)));
      return Promise.all(items.map(({ pixels }, k) => drawn(pixels, width, height, maps?.[k])));
    }
  }
}

// One after the other, as they come.
let last: Promise<void> = scores.then(
  ({ runner }) =>
    say({
      ...{ kind: "ready", model: model.info, notes: model.notes, engine: runner.name },
      stages: stageCounts(weightedLayers(model.network)),
    }),
  (error: unknown) => say({ kind: "failed", error: plainError(error) }),
);
port.on("message", (message: ToWorker) => {
  last = last.then(async () => {
    if (message.kind === "close") {
      await open?.source.close();
      await (await scores).runner.close();
      return port.close();
    }
    try {
      say({ kind: "done", answer: await answer(message.task) });
    } catch (error) {
      say({ kind: "failed", error: plainError(error) });
    }
  });
});
