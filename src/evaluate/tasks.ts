import { VideoExplainerError } from "../errors.js";
import { loadModel } from "../explain/model/load.js";
import { weightedLayers } from "../explain/network/randomised.js";
import { allFinite } from "../explain/onnx/finite.js";
import { drawn } from "./draw.js";
import { endsOf } from "./ends.js";
import { type MapSource, Programs } from "./map-source.js";
import { measure, requestOf } from "./measure.js";
import type { EvaluatedMethod } from "./methods.js";
import { randomise, stageCounts } from "./randomise.js";
import type { Answers, Item, Ready, Task, WorkerSettings } from "./worker-messages.js";

const ROUNDS = 7;

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

/** What a thread does. @throws InputError or ModelError when the model or its card are wrong */
export async function openTasks(settings: WorkerSettings) {
  const model = loadModel(settings.model, { output: settings.output, given: settings.given });
  const programs = new Programs(model, settings.engine);
  const { width, height } = programs.pictures;
  const scores = await programs.scores();
  const measuring = {
    ...{ width, height, seed: settings.seed, steps: settings.steps, metrics: new Set(settings.metrics) },
    probabilities: scores.probabilities,
    ends: endsOf({ width, height, probabilities: scores.probabilities }),
  };

  /** The method in hand, which is opened once for many tasks. */
  let open: { name: string; source: MapSource } | undefined;
  const sourceOf = async (method: EvaluatedMethod): Promise<MapSource> => {
    if (open?.name !== method.name) {
      await open?.source.close();
      open = undefined;
      open = { name: method.name, source: checked(await programs.source(method), method) };
    }
    return open.source;
  };

  /** Forward pass and explanation in turn; the least of each, since what else the machine does only adds to it. */
  const time = async (method: EvaluatedMethod, items: readonly Item[]): Promise<Answers["time"]> => {
    const source = await sourceOf(method);
    const request = requestOf(settings, items);
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const from = performance.now();
      await work();
      return (performance.now() - from) / request.targets.length;
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
  };

  const answer = async (task: Task): Promise<Answers[Task["kind"]]> => {
    const { items } = task;
    switch (task.kind) {
      case "classify": {
        const frames = requestOf(
          settings,
          items.map((item) => ({ ...item, targets: [0] })),
        ).frames;
        const decisions = await scores.decisions(frames);
        if (!decisions.every(({ probabilities }) => allFinite(probabilities)))
          throw new VideoExplainerError(
            "not-finite",
            `the scores of an image hold no finite number: weights of ${model.file} are too large for float32`,
          );
        return decisions;
      }
      case "measure": {
        const measured = await measure(await sourceOf(task.method), items, measuring);
        if (!task.keepMaps) for (const each of measured.flat()) each.map = undefined;
        return measured;
      }
      case "randomise":
        return randomise(programs, task.method, await sourceOf(task.method), items, settings);
      case "time":
        return time(task.method, items);
      case "draw": {
        const maps = task.method && (await (await sourceOf(task.method)).maps(requestOf(settings, items)));
        return Promise.all(items.map(({ pixels }, k) => drawn(pixels, width, height, maps?.[k])));
      }
    }
  };

  const ready: Ready = {
    ...{ kind: "ready", model: model.info, notes: model.notes, engine: scores.runner.name },
    stages: stageCounts(weightedLayers(model.network)),
  };
  const close = async (): Promise<void> => {
    await open?.source.close();
    await scores.runner.close();
  };
  return { ready, answer, close };
}
