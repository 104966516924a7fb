import type { When } from "../config/choice.js";
import { CHOICE_REASONS, type ChoiceReason } from "../messages/summary.js";
import type { FrameSettings } from "../station/settings.js";
import { rounded } from "./figures.js";

/** What a window of a run has shown; see `PipelineFigures`. */
export interface ChoiceWindow {
  seconds: number;
  frames: number;
  explained: number;
  cpuMsPerFrame: { total: number | null; own: number };
  /** Frames by each reason that chose them. */
  reasons: ReadonlyMap<ChoiceReason, number>;
}

export interface SideFigures {
  frames: number;
  explained: number;
  framesPerSecond: number;
  /** Of all threads, and of ffmpeg where the system tells. */
  cpuMsPerFrame: number;
}

/** Explaining every frame beside explaining those that `explain.when` chooses, in turn (A B A B). */
export interface ChoiceFigures {
  when: When;
  rounds: number;
  all: SideFigures;
  chosen: SideFigures & { reasons: Partial<Record<ChoiceReason, number>> };
  /** Fraction of the processor time a frame that the choice saves. */
  saved: number;
}

const ROUNDS = 3;

/** `measure` opens a window of so many seconds once all frames are explained so. */
export async function benchChoice(
  when: When,
  seconds: number,
  measure: (explain: FrameSettings["explain"], seconds: number) => Promise<ChoiceWindow>,
): Promise<ChoiceFigures> {
  const [all, chosen]: [ChoiceWindow[], ChoiceWindow[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    all.push(await measure({ every: 1, when: null }, seconds / ROUNDS / 2));
    chosen.push(await measure({ every: 1, when }, seconds / ROUNDS / 2));
  }
  const [whole, part] = [sideOf(all), sideOf(chosen)];
  const reasons = CHOICE_REASONS.flatMap((reason) => {
    const count = sum(chosen, (window) => window.reasons.get(reason) ?? 0);
    return count === 0 ? [] : [[reason, count] as const];
  });
  return {
    ...{ when, rounds: ROUNDS, all: whole },
    chosen: { ...part, reasons: Object.fromEntries(reasons) },
    saved: rounded(1 - part.cpuMsPerFrame / whole.cpuMsPerFrame, 3),
  };
}

const sum = <T>(list: readonly T[], of: (one: T) => number): number => list.reduce((total, one) => total + of(one), 0);

function sideOf(windows: readonly ChoiceWindow[]): SideFigures {
  const frames = sum(windows, (w) => w.frames);
  // From frame to frame: n frames of a window have n - 1 gaps.
  const gaps = frames - windows.length;
  return {
    frames,
    explained: sum(windows, (w) => w.explained),
    framesPerSecond: rounded(gaps / sum(windows, (w) => w.seconds), 2),
    cpuMsPerFrame: rounded(
      sum(windows, ({ cpuMsPerFrame: { total, own }, frames: n }) => (total ?? own) * n) / frames,
      2,
    ),
  };
}
