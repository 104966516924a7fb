import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type SourceConfig, sourceSchema } from "../../src/config/schema.js";
import type { Frame } from "../../src/frame.js";
import { Ledger, openSource, type SourceOptions, type VideoSource } from "../../src/pipeline/index.js";
import { until as untilHolds } from "../support/sinks.js";

export { temporaryFolder } from "../support/folders.js";

export const MEDIA = resolve(import.meta.dirname, "../../assets/media");
export const VIEW = { inputWidth: 224, inputHeight: 224, fit: "stretch" } as const;

export function ffmpeg(...args: string[]): void {
  execFileSync("ffmpeg", ["-v", "error", "-y", "-nostdin", ...args], { stdio: ["ignore", "inherit", "inherit"] });
}

/** Best-effort times of every frame, as ffprobe prints them. */
export function probedTimes(path: string): number[] {
  const args = ["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time"];
  const out = execFileSync("ffprobe", [...args, "-of", "default=nk=1:nw=1", path], { encoding: "utf8" });
  return out
    .split("\n")
    .filter((line) => /^-?\d/.test(line))
    .map(Number);
}

export function config(overrides: Partial<SourceConfig> & { url: string }): SourceConfig {
  return sourceSchema.parse({ name: "belt", ...overrides });
}

export interface Opened {
  source: VideoSource;
  ledger: Ledger;
}

export function open(overrides: Partial<SourceConfig> & { url: string }, options: Partial<SourceOptions> = {}): Opened {
  const sourceConfig = config(overrides);
  const ledger = new Ledger(sourceConfig.name);
  return { source: openSource(sourceConfig, { ...VIEW, baseDir: MEDIA, ...options }, ledger), ledger };
}

/** Takes frames as they come until the source is over or `each` says that it is enough. */
export async function pull(source: VideoSource, each: (frame: Frame) => unknown): Promise<void> {
  let coming = Promise.resolve();
  let wake = () => {};
  const sleep = () => {
    coming = new Promise((resolve) => {
      wake = resolve;
    });
  };
  sleep();
  const subscription = source.available$.subscribe({ next: () => wake(), complete: () => wake() });
  try {
    while (!source.isFinished) {
      const frame = source.take();
      if (frame) {
        if ((await each(frame)) === false) return;
        continue;
      }
      await coming;
      sleep();
    }
  } finally {
    subscription.unsubscribe();
  }
}

export interface Taken {
  epoch: number;
  sequence: number;
  pts: number;
  capturedAt: number;
}

/** All frames of a source, without their pictures; each counts as explained. */
export async function takeAll({ source, ledger }: Opened): Promise<Taken[]> {
  const taken: Taken[] = [];
  await pull(source, (frame) => {
    const { epoch, sequence, pts, capturedAt } = frame;
    taken.push({ epoch, sequence, pts, capturedAt });
    frame.release();
    ledger.explained();
  });
  return taken;
}

export const until = (condition: () => boolean, what: string, seconds = 30): Promise<void> =>
  untilHolds(what, condition, 1000 * seconds);

/** A process that is there and no zombie. */
export function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return !/\) [ZX] /.test(stat);
}

/** Colour of one pixel of the frame, or of the model's input below it. */
export function pixel(frame: Frame, x: number, y: number, of: "picture" | "input" = "picture"): number[] {
  const row = of === "picture" ? y : frame.layout.height + y;
  return [...new Uint8Array(frame.memory, row * frame.layout.stride + x * 3, 3)];
}
