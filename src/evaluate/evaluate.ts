import { availableParallelism } from "node:os";
import { InputError, ModelError, VideoExplainerError } from "../errors.js";
import { applicableMetrics } from "./applicable.js";
import { imagesOf } from "./chosen-images.js";
import type { EvaluateHooks, EvaluateOptions } from "./evaluate-options.js";
import { type EvaluatedImage, spread } from "./images.js";
import { madeReport, type Subject } from "./made-report.js";
import { mapNames } from "./map-names.js";
import type { EvaluatedMethod } from "./methods.js";
import type { MetricName } from "./metrics/names.js";
import { chunks, onThreads } from "./on-threads.js";
import { PixelReader } from "./pixels.js";
import type { EvaluationReport, ReportedCase, ReportedSample } from "./report.js";
import { emptyResult, type MethodResult } from "./results.js";
import { chosenSamples, type DrawnSample } from "./samples.js";
import type { Item, Task } from "./worker-messages.js";
import { EvaluationThread } from "./worker-thread.js";

/** Each thread holds the weights of a few programs. */
const MAX_THREADS = 4;
/** Images that are explained again and again: of noise and JPEG, and of random weights. */
const DISTURBED = 60;
const RANDOMISED = 40;
const TIMED = 4;

/**
 * Evaluates methods on a model and images.
 * @throws InputError or ModelError where the model, an image, a mask or a label is wrong
 */
export async function evaluate(
  options: EvaluateOptions,
  hooks: EvaluateHooks,
): Promise<{ report: EvaluationReport; samples: ReportedSample[] }> {
  const { model, output, given, engine, seed, steps } = options;
  const count = options.threads || Math.min(availableParallelism(), MAX_THREADS);
  const settings = { model, output, given, engine, seed, steps, metrics: options.metrics };
  const threads = [await EvaluationThread.start(settings)];
  try {
    // What is wrong with the model, the first has found.
    const found = imagesOf(options, threads[0]!.ready);
    const others = Array.from({ length: count - 1 }, () => EvaluationThread.start(settings));
    const started = await Promise.allSettled(others);
    for (const each of started) if (each.status === "fulfilled") threads.push(each.value);
    for (const each of started) if (each.status === "rejected") throw each.reason;
    const run = new Evaluation(options, hooks, threads, found.images, found.notes);
    return await run.all();
  } finally {
    if (!hooks.stop.aborted) await Promise.all(threads.map((thread) => thread.close()));
  }
}

class Evaluation {
  readonly #pixels: PixelReader;
  readonly #labels: readonly string[];
  #subjects: Subject[] = [];
  #cases: ReportedCase[] = [];
  /** By case. */
  #mapNames: string[] = [];
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
    const { metrics, notes } = applicableMetrics(options.metrics, this.#subjects, hooks.onMap !== undefined);
    this.notes.push(...notes);
    const results = options.methods.map((method) => emptyResult(method.name, metrics, this.#cases.length));
    const samples = options.draws
      ? chosenSamples(this.#subjects, this.#cases, options.methods.length, options.seed)
      : [];
    const wanted = this.#subjects.filter(
      ({ targets }) => targets.length === 1 || metrics.includes("own") || hooks.onMap,
    );
    const tasks = [
      async (thread: EvaluationThread): Promise<void> => {
        if (samples.length === 0) return;
        const originals = await this.#draw(thread, samples);
        samples.forEach(({ sample }, k) => {
          sample.original = originals[k]!;
        });
      },
      ...options.methods.flatMap((method, k) => this.#tasksOf(method, results[k]!, metrics, wanted, samples, k)),
    ];
    hooks.progress.start("evaluate", options.methods.length * wanted.length);
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
    const { limit } = options;
    const run = { seed: options.seed, steps: options.steps, limit: limit ?? null };
    const counts = { randomised: Math.min(this.#single.length, RANDOMISED), threads: threads.length };
    const report = madeReport(threads[0]!.ready, run, counts, this.#subjects, this.#cases, metrics, left, this.notes);
    return { report, samples: kept };
  }

  get #single(): Subject[] {
    return this.#subjects.filter(({ targets }) => targets.length === 1);
  }

  /** Reads every image once, so that what is wrong with one is known before hours are spent. */
  async #classify(): Promise<void> {
    const tops: { top: number; probabilities: Float32Array }[] = [];
    const all = [...this.images.entries()];
    await onThreads(
      this.threads,
      chunks(all),
      async (thread, chunk) => {
        const subjects = chunk.map(([index, image]) => ({ ...image, index, isDisturbed: false }));
        const answers = await this.#withItems(subjects, (items) => thread.do({ kind: "classify", items }));
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
      const targets = isGiven ? image.targets : [{ index: top, mask: image.mask }];
      if (this.options.onlyRight && isGiven && !areMostProbable(targets, probabilities)) return;
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
    const called = this.#subjects.flatMap(({ name, targets, firstCase }) =>
      targets.map((_, t) => (targets.length > 1 ? `${name}.${this.#cases[firstCase + t]!.label}` : name)),
    );
    this.#mapNames = mapNames(called);
    const wrong = this.images.length - this.#subjects.length;
    if (wrong > 0) this.notes.push(`left out as their classes are not the network's most probable ones: ${wrong}`);
    if (this.#subjects.length === 0)
      throw new InputError(
        "evaluate-labels",
        "no image is decided as its label says; check the labels, or leave out --only-right",
      );
  }

  /** Does something with the pixels of images, whose memory is others' once it is done. */
  async #withItems<T>(
    subjects: readonly Pick<Subject, "index" | "isDisturbed" | "targets">[],
    work: (items: Item[]) => Promise<T>,
  ): Promise<T> {
    const items = await Promise.all(
      subjects.map(async ({ index, isDisturbed, targets }) => {
        const pixels = await this.#pixels.read(this.images[index]!);
        return { index, isDisturbed, pixels, targets: targets.map((target) => target.index) };
      }),
    );
    const done = await work(items);
    for (const { index, pixels } of items) this.#pixels.release(this.images[index]!, pixels);
    return done;
  }

  #advance(images: number): void {
    this.#done += images;
    this.hooks.progress.at(this.#done);
  }

  #tasksOf(
    method: EvaluatedMethod,
    result: MethodResult,
    metrics: readonly MetricName[],
    subjects: readonly Subject[],
    samples: readonly DrawnSample[],
    place: number,
  ): ((thread: EvaluationThread) => Promise<void>)[] {
    const { seed } = this.options;
    const single = subjects.filter(({ targets }) => targets.length === 1);
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
    const timed = subjects.slice(0, TIMED);
    const tasks = [
      guarded(async (thread) => {
        result.time = await this.#withItems(timed, (items) => thread.do({ kind: "time", method, items }));
      }),
      ...chunks(subjects).map(
        (chunk) => (thread: EvaluationThread) =>
          guarded((of) => this.#measure(of, method, result, chunk))(thread).finally(() => this.#advance(chunk.length)),
      ),
    ];
    if (metrics.includes("random-weights")) {
      const chosen = spread(single, RANDOMISED, seed);
      tasks.push(
        guarded(async (thread) => {
          const stages = await this.#withItems(chosen, (items) => thread.do({ kind: "randomise", method, items }));
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
          const pictures = await this.#draw(thread, samples, method);
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
    const task: Omit<Extract<Task, { kind: "measure" }>, "items"> = {
      ...{ kind: "measure", method, keepMaps: onMap !== undefined },
    };
    const answers = await this.#withItems(chunk, (items) => thread.do({ ...task, items }));
    for (const [k, subject] of chunk.entries())
      for (const [t, measured] of answers[k]!.entries()) {
        result.add(subject.firstCase + t, measured);
        if (onMap && measured.map)
          await onMap(measured.map, {
            ...{ method: method.name, name: this.#mapNames[subject.firstCase + t]!, width, height },
          });
      }
  }

  /** The maps of a method on each sample, or the samples themselves. */
  #draw(thread: EvaluationThread, samples: readonly DrawnSample[], method?: EvaluatedMethod): Promise<Uint8Array[]> {
    return this.#withItems(
      samples.map(({ subject }) => subject),
      (all) => {
        const items = all.map((item, k) => {
          const { target } = samples[k]!;
          const pixels = { ...item.pixels, masks: [item.pixels.masks[target]] };
          return { ...item, targets: [item.targets[target]!], pixels };
        });
        return thread.do({ kind: "draw", method, items });
      },
    );
  }
}

/** Whether no other class is as probable as the least probable of these: of one, whether it is the decision. */
function areMostProbable(targets: readonly { index: number }[], probabilities: Float32Array): boolean {
  const own = new Set(targets.map(({ index }) => index));
  const least = Math.min(...[...own].map((index) => probabilities[index]!));
  return probabilities.every((p, index) => own.has(index) || p < least);
}

/** What is wrong with a method on this network alone. */
const isOfMethod = (error: VideoExplainerError): boolean =>
  error.code === "not-finite" || (error instanceof ModelError && error.code === "model-unsupported");
