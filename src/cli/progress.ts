import { SingleBar } from "cli-progress";
import { oneLine } from "../log.js";

/** Where no bar can be drawn, a line as often as this. */
const LINE_EVERY_MS = 5000;
const NAME = 28;

/** How far the file in hand is. */
export interface Progress {
  /** `total` frames are expected; undefined when nobody knows. */
  start(name: string, total: number | undefined): void;
  at(done: number): void;
  /** Takes the bar away. */
  stop(): void;
}

export const noProgress: Progress = { start() {}, at() {}, stop() {} };

const duration = (seconds: number): string => {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)} h` : `${minutes}:${two(whole % 60)} min`;
};

/** Frames, or what `unit` says, a second since the start, and seconds to go. */
function pace(startedAt: number, done: number, total: number | undefined, unit: string) {
  const rate = done / ((performance.now() - startedAt) / 1000);
  return {
    rate: `${rate.toFixed(1)} ${unit}/s`,
    left: total === undefined ? undefined : Math.max(0, total - done) / rate,
  };
}

/** A bar on a terminal, else a plain line every few seconds; both on `output`. `unit`: what is counted. */
export function createProgress(output: NodeJS.WriteStream, unit = "frames"): Progress {
  return output.isTTY ? bar(output, unit) : lines(output, unit);
}

function bar(output: NodeJS.WriteStream, unit: string): Progress {
  let drawn: SingleBar | undefined;
  let of = { startedAt: 0, total: undefined as number | undefined };
  return {
    start(name, total) {
      const title = oneLine(name).replace(/[{}]/g, " ");
      const shown = title.length > NAME ? `…${title.slice(1 - NAME)}` : title;
      of = { startedAt: performance.now(), total };
      const counts = total === undefined ? `{value} ${unit}` : `[{bar}] {value}/{total} ${unit}`;
      drawn = new SingleBar({
        format: `${shown} ${counts}  {rate}  {eta_text}`,
        stream: output,
        barsize: 24,
        barCompleteChar: "=",
        barIncompleteChar: " ",
        hideCursor: true,
        clearOnComplete: true,
        stopOnComplete: false,
        // Signals are the command's to handle.
        gracefulExit: false,
        fps: 5,
      });
      drawn.start(total ?? 0, 0, { rate: "", eta_text: "" });
    },
    at(done) {
      if (!drawn) return;
      const { rate, left } = pace(of.startedAt, done, of.total, unit);
      if (of.total !== undefined && done > drawn.getTotal()) drawn.setTotal(done);
      drawn.update(done, { rate, eta_text: left === undefined ? "" : `ETA ${duration(left)}` });
    },
    stop() {
      drawn?.stop();
      drawn = undefined;
    },
  };
}

function lines(output: NodeJS.WriteStream, unit: string): Progress {
  let of = { name: "", startedAt: 0, saidAt: 0, total: undefined as number | undefined };
  return {
    start(name, total) {
      const now = performance.now();
      of = { name: oneLine(name), startedAt: now, saidAt: now, total };
    },
    at(done) {
      const now = performance.now();
      if (now - of.saidAt < LINE_EVERY_MS) return;
      of.saidAt = now;
      const { rate, left } = pace(of.startedAt, done, of.total, unit);
      const all = of.total === undefined ? "" : ` of ${of.total}`;
      output.write(
        `${of.name}: ${done}${all} ${unit}, ${rate}${left === undefined ? "" : `, ${duration(left)} left`}\n`,
      );
    },
    stop() {},
  };
}
