import type { SourceConfig } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import type { ExplainInput } from "../explain/explanation.js";
import type { ModelView } from "../fit.js";
import { modelRows } from "../frame.js";
import { Ledger, openSource, type VideoSource } from "../pipeline/index.js";
import { rounded } from "./figures.js";
import { cpuNow } from "./resources.js";

/** What decoding costs when nobody is in its way. */
export interface DecodeFigures {
  framesPerSecond: number;
  frames: number;
  /** ffmpeg's processor time; null where the system does not tell. */
  cpuMsPerFrame: number | null;
}

/** Takes frames as they come until `enough` says so; frames not released are the taker's. */
async function drain(source: VideoSource, stop: AbortSignal, enough: () => boolean, take: () => void): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = (): void => {
      while (source.queued > 0 && !enough()) take();
      if (enough() || stop.aborted) resolve();
    };
    source.available$.subscribe({ next: look, complete: resolve });
    stop.addEventListener("abort", () => resolve(), { once: true });
    look();
  });
}

/** Decodes a film alone for so long, after a first frame. */
export async function benchDecoding(
  config: SourceConfig,
  view: ModelView,
  seconds: number,
  stop: AbortSignal,
): Promise<DecodeFigures> {
  const source = openSource(config, { ...view, baseDir: "/" }, new Ledger(config.name));
  let frames = -1;
  let startedAt = 0;
  let before = cpuNow(undefined);
  const elapsed = (): number => (frames < 0 ? 0 : performance.now() - startedAt);
  const enough = (): boolean => elapsed() >= seconds * 1000;
  try {
    await drain(source, stop, enough, () => {
      source.take()!.release();
      if (frames++ >= 0) return;
      startedAt = performance.now();
      before = cpuNow(source.pid);
    });
    if (frames < 1) throw noFrames(source);
    const [after, took] = [cpuNow(source.pid), elapsed()];
    const cpu = after.decoder === null || before.decoder === null ? null : after.decoder - before.decoder;
    return {
      framesPerSecond: rounded((frames / took) * 1000, 1),
      frames,
      cpuMsPerFrame: cpu === null ? null : rounded(cpu / frames),
    };
  } finally {
    await source.stop();
    source.discard("shutdown");
  }
}

/** The first `count` frames of a film, as the explainer takes them; repeated when it has fewer. */
export async function firstFrames(
  config: SourceConfig,
  view: ModelView,
  count: number,
  stop: AbortSignal,
): Promise<ExplainInput[]> {
  const source = openSource(
    { ...config, loop: false },
    { ...view, baseDir: "/", slabs: count + 1 },
    new Ledger(config.name),
  );
  const inputs: ExplainInput[] = [];
  try {
    await drain(
      source,
      stop,
      () => inputs.length >= count,
      () => {
        const { memory, layout } = source.take()!;
        inputs.push({ memory, ...modelRows(layout), classifyOnly: false, scale: 0 });
      },
    );
    if (inputs.length === 0) throw noFrames(source);
    return Array.from({ length: count }, (_, k) => inputs[k % inputs.length]!);
  } finally {
    await source.stop();
    source.discard("shutdown");
  }
}

export const noFrames = (source: VideoSource): VideoExplainerError =>
  new VideoExplainerError(
    "bench-film",
    `the film gave no frames: ${source.status().reason ?? "the time was too short; give more with --seconds"}`,
  );
