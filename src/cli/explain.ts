import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { checked } from "../config/request.js";
import { configSchema } from "../config/schema.js";
import { InputError } from "../errors.js";
import type { NamedOptions } from "../explain/options.js";
import { createExplainer } from "../explain/runtime/explainer.js";
import type { Rect } from "../frame.js";
import { createMetrics } from "../metrics/metrics.js";
import { explainFilm } from "../one-shot/film.js";
import { findInputs, nameOutputs, short } from "../one-shot/inputs.js";
import { explainPicture } from "../one-shot/picture-job.js";
import type { BatchContext, FileJob, FileResult } from "../one-shot/settings.js";
import { COLORMAP_NAMES, OVERLAY_SHOWS } from "../overlay/names.js";
import type { OverlayStyle } from "../overlay/overlay.js";
import { createOverlayRenderer } from "../overlay/renderer.js";
import { PictureMemory } from "../pictures/memory.js";
import { isPicture } from "../pictures/picture.js";
import { defaultEngine, explainerOptions } from "../station/explainer-options.js";
import { defaultWarnings } from "../station/settings.js";
import { type EngineChoice, ModelCommand, modelOption, number, region, wholeNumber } from "./arguments.js";
import { errorLines, exitCodeOf } from "./errors.js";
import { interruptible } from "./interrupt.js";
import { createProgress, noProgress, type Progress } from "./progress.js";

interface ExplainOptions extends NamedOptions, EngineChoice, OverlayStyle {
  model: string;
  modelOutput?: string;
  region?: Rect;
  fps?: number;
  every: number;
  top: number;
  out?: string;
  force?: boolean;
  quiet?: boolean;
}

/** Pictures in hand at once: one is read and one drawn while others are explained. */
const PICTURES_AT_ONCE = 4;

/** Says what happened to each file, and remembers the exit code: 1 when something failed at run time, else 2. */
class Report {
  code = 0;

  constructor(
    private readonly progress: Progress,
    private readonly quiet: boolean,
    private readonly verbose: boolean,
  ) {}

  fault(error: unknown): void {
    this.progress.stop();
    for (const line of errorLines(error, this.verbose, "video-explainer explain")) process.stderr.write(`${line}\n`);
    this.code = this.code === 1 ? 1 : exitCodeOf(error);
  }

  noted(notes: readonly string[]): void {
    if (!this.quiet) for (const note of notes) process.stderr.write(`video-explainer: ${note}\n`);
  }

  done(job: FileJob, done: FileResult): void {
    this.progress.stop();
    const { explained, summaries } = job.outputs;
    const { label, frames } = done.top;
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    const only = done.explained < done.frames ? `, ${done.explained} of them explained` : "";
    const what = job.picture
      ? `${label} ${percent(done.probability)}`
      : `${done.frames} frames${only}, ${label} in ${frames} (${percent(frames / done.frames)})`;
    if (!this.quiet) {
      process.stdout.write(`${job.shown}: ${what}; wrote ${short(explained)} and ${short(summaries)}\n`);
    }
    this.noted(done.notes);
    for (const fault of done.faults) this.fault(fault);
  }
}

/** What can be begun, with its results named; what cannot is reported. */
async function planJobs(files: readonly string[], options: ExplainOptions, report: Report): Promise<FileJob[]> {
  const found: Omit<FileJob, "outputs">[] = [];
  for (const given of await findInputs(files)) {
    if ("fault" in given) report.fault(given.fault);
    else
      await isPicture(given.path, given.shown).then(
        (picture) => found.push({ ...given, picture }),
        (error: unknown) => report.fault(error),
      );
  }
  const outputs = nameOutputs(found, options.out === undefined ? undefined : resolve(options.out));
  const taken = new Set<string>();
  return found.flatMap((file, k) => {
    const { explained, summaries } = outputs[k]!;
    const skip = (reason: string): [] => {
      report.fault(new InputError("output", reason, { file: file.shown }));
      return [];
    };
    if (taken.has(summaries))
      return skip(
        `${short(summaries)} is the result of another file of that name; explain it into a folder of its own with --out`,
      );
    taken.add(summaries);
    const there = [explained, summaries].find((path) => existsSync(path));
    if (there && !options.force)
      return skip(`${short(there)} exists already; give --force to replace it, or another folder with --out`);
    return [{ ...file, outputs: outputs[k]! }];
  });
}

async function explainAll(
  jobs: readonly FileJob[],
  of: BatchContext,
  progress: Progress,
  report: Report,
  stop: AbortSignal,
) {
  const follow = (job: FileJob) => ({
    start: (frames: number | undefined) => progress.start(job.shown, frames),
    at: (frames: number) => progress.at(frames),
  });
  const begun: Promise<FileResult>[] = [];
  const begin = (k: number): void => {
    const job = jobs[k];
    if (!job || begun[k] || stop.aborted) return;
    begun[k] = job.picture ? explainPicture(job, of, stop) : explainFilm(job, of, follow(job), stop);
    // It is looked at in its turn.
    begun[k].catch(() => {});
  };
  for (let k = 0; k < jobs.length && !stop.aborted; k++) {
    begin(k);
    for (let next = k + 1; jobs[k]!.picture && jobs[next]?.picture && next < k + PICTURES_AT_ONCE; next++) begin(next);
    try {
      report.done(jobs[k]!, await begun[k]!);
    } catch (error) {
      if (!stop.aborted) report.fault(error);
    }
  }
  await Promise.allSettled(begun);
}

async function explain(files: string[], options: ExplainOptions, command: Command): Promise<void> {
  const progress = options.quiet ? noProgress : createProgress(process.stderr);
  const report = new Report(progress, options.quiet === true, command.optsWithGlobals().verbose === true);
  const { method, inputRule, start, target, every, top, show, colormap, opacity, quality } = options;
  const stopped = await interruptible(async (stop) => {
    const jobs = await planJobs(files, options, report);
    if (jobs.length === 0) return;
    const settings = checked(configSchema.shape.explain, { method, inputRule, start, target, every, top }, "explain");
    const { threads, engine: kind, device, precision } = options;
    const explainer = await createExplainer(
      explainerOptions({
        model: { path: options.model, output: options.modelOutput },
        engine: { ...defaultEngine(), kind, device, threads, ...(precision && { precision }) },
        explain: settings,
      }),
      { onNote: (note) => report.noted([note]) },
    );
    report.noted(explainer.notes ?? []);
    const renderer = createOverlayRenderer();
    try {
      const metrics = createMetrics();
      const memory = new PictureMemory(PICTURES_AT_ONCE);
      const { region, fps } = options;
      const overlay = { show, colormap, opacity, quality };
      const of = {
        explainer,
        explain: settings,
        overlay,
        warnings: defaultWarnings(),
        renderer,
        metrics,
        memory,
        region,
        fps,
      };
      await explainAll(jobs, of, progress, report, stop);
    } finally {
      progress.stop();
      await renderer.close();
      await explainer.close();
    }
  });
  process.exitCode = stopped || report.code;
}

/** `video-explainer explain FILE…` */
export const explainCommand = (): Command =>
  new ModelCommand("explain")
    .description("explain pictures and films: the picture or film with its heat, and a summary a frame")
    .argument("<file...>", "pictures, films, folders of them, globs")
    .addOption(modelOption())
    .methodOptions()
    .option("--region <x,y,w,h>", "pixels of the frame that alone are classified and explained", region)
    .option("--fps <rate>", "films: frames a second at most (default: all)", number(0, 1000, false))
    .option(
      "--every <n>",
      "films: explain each nth frame, classify all; the film shows those explained",
      wholeNumber(1, 1e6),
      1,
    )
    .addOption(new Option("--show <what>", "which relevance").choices(OVERLAY_SHOWS).default("magnitude"))
    .addOption(new Option("--colormap <name>", "colours of the heat").choices(COLORMAP_NAMES).default("inferno"))
    .option("--opacity <share>", "of the heat at full relevance, 0 to 1", number(0, 1, true), 0.6)
    .option("--quality <n>", "of the JPEG pictures, 1 to 100", wholeNumber(1, 100), 90)
    .option("--top <n>", "classes in a summary", wholeNumber(1, 100), 5)
    .option("--out <folder>", "where results go (default: beside each file)")
    .option("--force", "replace results that exist already")
    .engineOptions()
    .option("--quiet", "print nothing but faults")
    .addHelpText(
      "after",
      `
Writes NAME.explained.jpg (of a picture) or NAME.explained.mp4 (of a film or an animated GIF) and NAME.summaries.jsonl,
one JSON object a frame (schema explanation-summary/1). Files that differ in their ending alone keep it in NAME.
A file is there whole or not at all. Of a film that is cut off, what can be decoded is written, and the rest reported.

Exit codes: 0 done; 1 something failed at run time; 2 a file, the model or an option is wrong, or a result exists
already and --force was not given; 130 stopped by Ctrl-C. One file's fault does not stop the others.

Examples:
  $ video-explainer explain cat.jpg
  $ video-explainer explain assets/media/bottles.mp4 --region 370,80,270,270 --out explained
  $ video-explainer explain 'parts/*.png' --model models/inspection-cnn --show signed`,
    )
    .action(explain);
