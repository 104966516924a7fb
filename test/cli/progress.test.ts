import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { createProgress } from "../../src/cli/progress.js";

/** A stream that says it is a terminal, or not, and what was written to it. */
function screen(isTTY: boolean) {
  const stream = new PassThrough();
  let text = "";
  stream.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  // What a terminal has and a plain stream lacks.
  const terminal = Object.assign(stream, { isTTY, columns: 120, rows: 40 });
  return { stream: terminal as unknown as NodeJS.WriteStream, text: () => stripVTControlCharacters(text) };
}

describe("progress", () => {
  it("is a bar with frames, rate and time to go on a terminal", () => {
    vi.useFakeTimers();
    try {
      const { stream, text } = screen(true);
      const progress = createProgress(stream);
      progress.start("film.mp4", 200);
      vi.advanceTimersByTime(10_000);
      progress.at(100);
      vi.advanceTimersByTime(1000);
      expect(text()).toMatch(/film\.mp4 \[=+ +\] 100\/200 frames {2}10\.0 frames\/s {2}ETA 10 s/);
      progress.stop();
      const before = text();
      vi.advanceTimersByTime(5000);
      expect(text()).toBe(before);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is a plain line every few seconds elsewhere, without a total where nobody knows one", () => {
    vi.useFakeTimers();
    try {
      const { stream, text } = screen(false);
      const progress = createProgress(stream);
      progress.start("film.mp4", 1000);
      for (let frame = 1; frame <= 110; frame++) {
        vi.advanceTimersByTime(100);
        progress.at(frame);
      }
      expect(text().trimEnd().split("\n")).toEqual([
        "film.mp4: 50 of 1000 frames, 10.0 frames/s, 1:35 min left",
        "film.mp4: 100 of 1000 frames, 10.0 frames/s, 1:30 min left",
      ]);
      progress.start("live\u001b[2Jname.ts", undefined);
      vi.advanceTimersByTime(5000);
      progress.at(10);
      expect(text()).toMatch(/live \[2Jname\.ts: 10 frames, 2\.0 frames\/s\n$/);
    } finally {
      vi.useRealTimers();
    }
  });
});
