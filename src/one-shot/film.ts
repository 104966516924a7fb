import { InputError, inContext, VideoExplainerError } from "../errors.js";
import type { PictureCount } from "../ffmpeg/probe.js";
import { silentLogger } from "../log.js";
import { checkSource } from "../pipeline/index.js";
import { defaultEngine } from "../station/explainer-options.js";
import { Station } from "../station/station.js";
import { FilmSink } from "./film-sink.js";
import { type BatchContext, type FileJob, type FileResult, filmSource, STATION } from "./settings.js";
import { withStaged } from "./staged-file.js";

/** Follows a film as it is explained. */
export interface FilmProgress {
  /** `frames`: how many will come, where the film says. */
  start(frames: number | undefined): void;
  at(frames: number): void;
}

/**
 * Explains a film into another, with a line a frame beside it. What decodes of a damaged film is written; that it is
 * damaged is among the faults. Rejects, leaving nothing behind, when no frame can be explained or written, or `stop` came.
 */
export async function explainFilm(
  job: FileJob,
  context: BatchContext,
  progress: FilmProgress,
  stop: AbortSignal,
): Promise<FileResult> {
  const source = filmSource(job, context);
  const found = await checkSource(source, "/").catch((error: unknown) => {
    throw error instanceof InputError ? ofFile(error, job) : error;
  });
  const info = found?.pictures ?? { estimated: true };
  const errors: string[] = [];
  return withStaged([job.outputs.explained, job.outputs.summaries], async (film, summaries) => {
    const onFrame = (frames: number): void => progress.at(frames);
    const sink = new FilmSink({ film, summaries, onFrame, onFailure: () => void station.stop() });
    const log = { ...silentLogger, error: (message: string) => void errors.push(message) };
    const { renderer, metrics } = context;
    const fixed = { station: STATION, batches: defaultEngine(), sources: [source], baseDir: "/" };
    const station = new Station({ ...fixed, settings: { current: context }, renderer, sinks: [sink], metrics, log });
    try {
      await sink.connect();
      const onStop = (): void => void station.stop();
      stop.addEventListener("abort", onStop);
      if (stop.aborted) onStop();
      progress.start(expected(info, context.fps));
      await station.run().finally(() => stop.removeEventListener("abort", onStop));
      stop.throwIfAborted();

      const video = station.sources[0]!;
      const { captured, dropped } = video.ledger.snapshot();
      const { state, reason } = video.status();
      const seen = sink.counter.seen();
      if (seen.explained === 0) {
        await sink.finish();
        if (errors.length > 0) throw new VideoExplainerError("explaining", errors[0]!, { file: job.shown });
        throw new InputError("no-frame", reason ?? "no frame could be decoded", { file: job.shown });
      }
      await sink.finish();
      const faults: Error[] = [];
      const notes: string[] = [];
      const lost = dropped["explain-error"] ?? 0;
      if (lost > 0)
        faults.push(
          new VideoExplainerError(
            "explaining",
            `${job.shown}: ${lost} of ${captured} frames could not be explained and are missing (${errors[0]})`,
          ),
        );
      const total = context.fps ? undefined : info.frames;
      const short = total !== undefined && captured < total - (info.estimated ? 1 : 0);
      if (reason && (state === "failed" || short || total === undefined)) {
        const outOf = short ? ` of ${info.estimated ? "about " : ""}${total}` : "";
        faults.push(
          new InputError(
            "cut-off",
            `${job.shown} is damaged or cut off: ${captured}${outOf} frames were decoded and are explained, the rest is missing (${reason})`,
          ),
        );
      } else if (reason) notes.push(`${job.shown}: ${reason}; all its frames are explained`);
      return { ...seen, top: seen.top!, faults, notes };
    } catch (error) {
      await sink.abort();
      if (error instanceof VideoExplainerError && error.code === "encoding")
        throw inContext(error, { file: job.shown });
      throw error;
    }
  });
}

/** The pipeline names sources and paths; here it is the file as the user wrote it. */
const ofFile = (error: InputError, { path, shown }: FileJob): VideoExplainerError =>
  inContext(error, { source: undefined, ...(error.context.subject === path ? { subject: shown } : { file: shown }) });

function expected({ frames, duration }: PictureCount, fps: number | undefined): number | undefined {
  if (!fps || !duration) return frames;
  return Math.min(Math.max(1, Math.round(duration * fps)), frames ?? Number.POSITIVE_INFINITY);
}
