import { availableParallelism } from "node:os";
import { InputError, ModelError, VideoExplainerError } from "../errors.js";
import { packageVersion } from "../version.js";
import { type EvaluatedImage, findImages, type ImageFolder, spread } from "./images.js";
import { Classes } from "./labels.js";
import type { EvaluatedMethod } from "./methods.js";
import { shares } from "./metrics/curves.js";
import { METRICS, type MetricName, metricNamed } from "./metrics/names.js";
import { PixelReader } from "./pixels.js";
import type { EvaluationReport, ReportedCase, ReportedMethod, ReportedSample } from "./report.js";
import { emptyResult, type MethodResult, reported } from "./results.js";
import type { Item, Task } from "./worker-messages.js";
import { EvaluationThread } from "./worker-thread.js";

export interface EvaluateOptions {
  model: string;
  output?: string;
  engine: string;
  /** 0: one a core, four at most. */
  threads: number;
  folders: readonly ImageFolder[];
  /** A file of labels, or `none`. */
  labels?: string;
  /** Only images of these. */
  classes?: readonly string[];
  methods: readonly EvaluatedMethod[];
  metrics: readonly MetricName[];
  /** Images of one class, and of several, at most. */
  limit?: number;
  seed: number;
  /** Points of a curve. */
  steps: number;
  /** Whether pictures for a report are drawn. */
  draws: boolean;
}

export interface EvaluateHooks {
  stop: AbortSignal;
  /** Images times methods. */
  progress: { start(name: string, total: number): void; at(done: number): void };
  /** Each map, `[height, width]` of the model's input, where it is given. */
  onMap?(map: Float32Array, of: MapOf): Promise<void>;
}

export interface MapOf {
  method: string;
  /** See `EvaluatedImage`. */
  name: string;
  label: string;
  /** The image has several classes. */
  several: boolean;
  width: number;
  height: number;
}

/** Each thread holds the weights of a few programs. */
const MAX_THREADS = 4;
/** Images of one task. Results do not depend on it. */
const CHUNK = 8;
/** Images that are explained again and again: of noise and JPEG, and of random weights. */
const DISTURBED = 60;
const RANDOMISED = 40;
/** Images of a report, and those of several classes. */
const SAMPLES = { single: 6, several: 2 } as const;
const TIMED = 4;

/** An image as it is evaluated: its classes are known, and what it is used for. */
interface Subject extends EvaluatedImage {
  index: number;
  isDisturbed: boolean;
  /** Place of its first target among the cases. */
  firstCase: number;
}

/** Runs tasks on threads, each thread the next one as soon as it is free. */
async function onThreads<T>(
  threads: readonly EvaluationThread[],
  tasks: readonly T[],
  run: (thread: EvaluationThread, task: T) => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  let next = 0;
  let isOver = false;
  await Promise.all(
    threads.map(async (thread) => {
      while (next < tasks.length && !isOver) {
        stop.throwIfAborted();
        try {
          await run(thread, tasks[next++]!);
        } catch (error) {
          isOver = true;
          throw error;
        }
      }
    }),
  );
}

const chunks = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / CHUNK) }, (_, k) => all.slice(k * CHUNK, (k + 1) * CHUNK));

/**
 * Evaluates methods on a model and images.
 * @throws InputError or ModelError where the model, an image, a mask or a label is wrong
 */
export async function evaluate(
  options: EvaluateOptions,
  hooks: EvaluateHooks,
): Promise<{ report: EvaluationReport; samples: ReportedSample[] }> {
  const { model, output, engine, seed, steps } = options;
  const count = options.threads || Math.min(availableParallelism(), MAX_THREADS);
  const settings = { model, output, engine, seed, steps, metrics: options.metrics };
  const threads = [await EvaluationThread.start(settings)];
  try {
    // What is wrong with the model, the first has found.
    const found = imagesOf(options, threads[0]!);
    const others = Array.from({ length: count - 1 }, () => EvaluationThread.start(settings));
    for (const started of await Promise.allSettled(others)) {
      if (started.status === "rejected") throw started.reason;
      threads.push(started.value);
    }
    const run = new Evaluation(options, hooks, threads, found.images, found.notes);
    return await run.all();
  } finally {
    if (!hooks.stop.aborted) await Promise.all(threads.map((thread) => thread.close()));
  }
}

function imagesOf(options: EvaluateOptions, thread: EvaluationThread): { images: EvaluatedImage[]; notes: string[] } {
  const { labels } = thread.ready.model;
  const classes = new Classes(labels);
  const found = options.folders.map((folder) => findImages(folder, classes, options.labels));
  const notes = [...thread.ready.notes, ...found.flatMap((each) => each.notes)];
  const wanted = options.classes?.map((name) => classes.require(name, "--classes"));
  const all = found
    .flatMap(({ images }) => images)
    .filter(({ targets }) => !wanted || targets.some(({ index }) => wanted.includes(index)));
  if (all.length === 0)
    throw new InputError("empty-folder", "no image is of a class that --classes names; give others");
  const { limit = Number.POSITIVE_INFINITY, seed } = options;
  const several = all.filter(({ targets }) => targets.length > 1);
  const single = all.filter(({ targets }) => targets.length <= 1);
  return { images: [...spread(single, limit, seed), ...spread(several, limit, seed)], notes };
}

class Evaluation {
  readonly #pixels: PixelReader;
  readonly #labels: readonly string[];
  #subjects: Subject[] = [];
  #cases: ReportedCase[] = [];
  #done = 0;

  constructor(
    private readonly options: EvaluateOptions,
    private readonly hooks: EvaluateHooks,
    private readonly threads: readonly EvaluationThread[],
    private readonly images: readonly EvaluatedImage[],
    private readonly notes: string[],
  ) {
    this.#pixels = new PixelReader(threads[0]!.ready.model);
    this.#labels = threads[0]!.ready.model.labels;
  }

  async all(): Promise<{ report: EvaluationReport; samples: ReportedSample[] }> {
    const { options, hooks, threads } = this;
    hooks.progress.start("classify", this.images.length);
    await this.#classify();
    const metrics = this.#metrics();
    const results = options.methods.map((method) => emptyResult(method.name, metrics, this.#cases.length));
    const samples = options.draws ? this.#samples() : [];
    const tasks = options.methods.flatMap((method, k) => this.#tasksOf(method, results[k]!, metrics, samples, k));
    hooks.progress.start("evaluate", options.methods.length * this.#subjects.length);
    this.#done = 0;
    await onThreads(threads, tasks, (thread, task) => task(thread), hooks.stop);
    const left = results.filter(({ fault }) => fault === undefined);
    const [first] = results;
    if (left.length === 0 && first?.fault) throw first.fault;
    for (const { name, fault } of results) if (fault) this.notes.push(`${name} is left out: ${fault.message}`);
    const kept = samples.map(({ sample }) => ({
      ...sample,
      maps: sample.maps.filter((_, k) => results[k]!.fault === undefined),
    }));
    return { report: this.#report(metrics, left), samples: kept };
  }

  /** Reads every image once, so that what is wrong with one is known before hours are spent. */
  async #classify(): Promise<void> {
    const tops: { top: number; probabilities: Float32Array }[] = [];
    const all = [...this.images.entries()];
    await onThreads(
      this.threads,
      chunks(all),
      async (thread, chunk) => {
        const items = await this.#items(chunk.map(([index, image]) => ({ ...image, index, isDisturbed: false })));
        const answers = await thread.do({ kind: "classify", items });
        chunk.forEach(([index], k) => {
          tops[index] = answers[k]!;
        });
        this.#advance(chunk.length);
      },
      this.hooks.stop,
    );
    const single = this.images.filter(({ targets }) => targets.length <= 1);
    const disturbed = new Set(spread(single, DISTURBED, this.options.seed));
    this.images.forEach((image, index) => {
      const { top, probabilities } = tops[index]!;
      const isGiven = image.targets.length > 0;
      const targets = isGiven ? image.targets : [{ index: top }];
      const firstCase = this.#cases.length;
      for (const target of targets)
        this.#cases.push({
          image: image.shown,
          label: this.#labels[target.index]!,
          isGiven,
          decision: this.#labels[top]!,
          probability: probabilities[target.index]!,
        });
      this.#subjects.push({ ...image, targets, index, firstCase, isDisturbed: disturbed.has(image) });
    });
  }

  /** Those that there is what they need for; of the others a note. */
  #metrics(): MetricName[] {
    const { metrics } = this.options;
    const has = {
      mask: this.#subjects.some(({ targets }) => targets.length === 1 && targets[0]!.mask !== undefined),
      classes: this.#subjects.some(
        ({ targets }) => targets.length > 1 && targets.every(({ mask }) => mask !== undefined),
      ),
    };
    const why = {
      mask: "no image of one class has a mask; give --masks",
      classes: "no image has several classes with a mask each (NAME.CLASS.png)",
    };
    for (const needs of ["mask", "classes"] as const) {
      const without = metrics.filter((name) => metricNamed(name).needs === needs);
      if (!has[needs] && without.length > 0) this.notes.push(`${without.join(", ")}: left out, as ${why[needs]}`);
    }
    return metrics.filter((name) => {
      const { needs } = metricNamed(name);
      return needs === undefined || has[needs];
    });
  }

  async #items(subjects: readonly (Pick<Subject, "index" | "isDisturbed"> & EvaluatedImage)[]): Promise<Item[]> {
    return Promise.all(
      subjects.map(async (subject) => {
        const { index, isDisturbed, targets } = subject;
        const pixels = await this.#pixels.read(this.images[index]!);
        return { index, isDisturbed, pixels, targets: targets.map((target) => target.index) };
      }),
    );
  }

  #advance(images: number): void {
    this.#done += images;
    this.hooks.progress.at(this.#done);
  }

  #tasksOf(
    method: EvaluatedMethod,
    result: MethodResult,
    metrics: readonly MetricName[],
    samples: readonly DrawnSample[],
    place: number,
  ): ((thread: EvaluationThread) => Promise<void>)[] {
    const { seed } = this.options;
    const single = this.#subjects.filter(({ targets }) => targets.length === 1);
    /** A method that does not know its way through the network costs itself, nothing else. */
    const guarded = (work: (thread: EvaluationThread) => Promise<void>) => async (thread: EvaluationThread) => {
      if (result.fault) return;
      try {
        await work(thread);
      } catch (error) {
        if (!(error instanceof VideoExplainerError) || !isOfMethod(error)) throw error;
        result.fault ??= error;
      }
    };
    const timed = this.#subjects.slice(0, TIMED);
    const tasks = [
      guarded(async (thread) => {
        result.time = await thread.do({ kind: "time", method, items: await this.#items(timed) });
      }),
      ...chunks(this.#subjects).map(
        (chunk) => (thread: EvaluationThread) =>
          guarded((of) => this.#measure(of, method, result, chunk))(thread).finally(() => this.#advance(chunk.length)),
      ),
    ];
    if (metrics.includes("random-weights")) {
      const chosen = spread(single, RANDOMISED, seed);
      tasks.push(
        guarded(async (thread) => {
          const stages = await thread.do({ kind: "randomise", method, items: await this.#items(chosen) });
          result.stages = stages;
          chosen.forEach(({ firstCase }, k) => {
            result.values["random-weights"]![firstCase] = stages.at(-1)?.[k] ?? Number.NaN;
          });
        }),
      );
    }
    if (samples.length > 0)
      tasks.push(
        guarded(async (thread) => {
          const items = await Promise.all(samples.map((sample) => this.#sampleItem(sample)));
          const pictures = await thread.do({ kind: "draw", method, items });
          if (place === 0) {
            const originals = await thread.do({ kind: "draw", items });
            samples.forEach(({ sample }, k) => {
              sample.original = originals[k]!;
            });
          }
          samples.forEach(({ sample }, k) => {
            sample.maps[place] = pictures[k]!;
          });
        }),
      );
    return tasks;
  }

  async #measure(thread: EvaluationThread, method: EvaluatedMethod, result: MethodResult, chunk: readonly Subject[]) {
    const { onMap } = this.hooks;
    const { inputWidth: width, inputHeight: height } = this.threads[0]!.ready.model;
    const task: Extract<Task, { kind: "measure" }> = {
      ...{ kind: "measure", method, keepMaps: onMap !== undefined },
      items: await this.#items(chunk),
    };
    const answers = await thread.do(task);
    for (const [k, subject] of chunk.entries())
      for (const [t, measured] of answers[k]!.entries()) {
        result.add(subject.firstCase + t, measured);
        if (onMap && measured.map)
          await onMap(measured.map, {
            ...{ method: method.name, name: subject.name, label: this.#cases[subject.firstCase + t]!.label },
            ...{ several: subject.targets.length > 1, width, height },
          });
      }
  }

  /** A few images for the eye, those with masks first; each class of an image of several is one. */
  #samples(): DrawnSample[] {
    const { seed } = this.options;
    const single = this.#subjects.filter(({ targets }) => targets.length === 1);
    const masked = single.filter(({ targets }) => targets[0]!.mask !== undefined);
    const several = this.#subjects.filter(({ targets }) => targets.length > 1);
    const chosen = [
      ...spread(masked.length > 0 ? masked : single, SAMPLES.single, seed),
      ...spread(several, SAMPLES.several, seed),
    ];
    return chosen.flatMap((subject) =>
      subject.targets.map((_, target) => {
        const { image, label, decision } = this.#cases[subject.firstCase + target]!;
        const maps: (Uint8Array | undefined)[] = this.options.methods.map(() => undefined);
        return { subject, target, sample: { image, label, decision, original: new Uint8Array(), maps } };
      }),
    );
  }

  async #sampleItem({ subject, target }: DrawnSample): Promise<Item> {
    const [item] = (await this.#items([subject])) as [Item];
    const { masks } = item.pixels;
    return { ...item, targets: [item.targets[target]!], pixels: { ...item.pixels, masks: [masks[target]] } };
  }

  #report(metrics: readonly MetricName[], results: readonly MethodResult[]): EvaluationReport {
    const { model, stages, engine } = this.threads[0]!.ready;
    const { seed, steps, limit } = this.options;
    const subjects = this.#subjects;
    const labelled = this.#cases.filter(({ isGiven }) => isGiven);
    const single = subjects.filter(({ targets }) => targets.length === 1);
    const right = single.filter(({ firstCase }) => {
      const { isGiven, label, decision } = this.#cases[firstCase]!;
      return isGiven && label === decision;
    });
    const methods: ReportedMethod[] = results.map((result) => reported(result, results[0]!));
    return {
      evaluation: "video-explainer",
      time: new Date().toISOString(),
      program: packageVersion(),
      engine,
      threads: this.threads.length,
      model: {
        ...{ name: model.name, sha256: model.sha256 },
        ...{ inputWidth: model.inputWidth, inputHeight: model.inputHeight },
      },
      images: {
        count: subjects.length,
        ofSeveralClasses: subjects.length - single.length,
        withMask: subjects.filter(({ targets }) => targets.some(({ mask }) => mask !== undefined)).length,
        labelled: new Set(labelled.map(({ image }) => image)).size,
        decidedRight: right.length,
      },
      settings: {
        ...{ seed, steps, limit: limit ?? null },
        disturbed: subjects.filter(({ isDisturbed }) => isDisturbed).length,
        randomised: Math.min(single.length, RANDOMISED),
      },
      metrics: metrics.map((name) => ({ ...METRICS[name], name })),
      cascade: stages,
      shares: shares(steps),
      notes: this.notes,
      cases: this.#cases,
      methods,
    };
  }
}

interface DrawnSample {
  subject: Subject;
  target: number;
  sample: ReportedSample;
}

/** What is wrong with a method on this network alone. */
const isOfMethod = (error: VideoExplainerError): boolean =>
  error.code === "not-finite" || (error instanceof ModelError && error.code === "model-unsupported");
