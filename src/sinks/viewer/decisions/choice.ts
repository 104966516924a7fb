import type { ChoiceReason } from "../../../messages/summary.js";
import type { UpcomingFrame } from "../../sink.js";

const LIMITS = {
  /** Changes that may come at once, and for long. */
  atOnce: 8,
  perSecond: 1,
  /** Frames that were judged and did not come yet, or never will. */
  remembered: 256,
};

/** Reasons to explain a frame that say nothing of that frame: it was its turn. */
const TURNS: ReadonlySet<string> = new Set<ChoiceReason>(["everySeconds", "every"]);

/** What is to be judged of a frame. */
export interface Judged extends UpcomingFrame {
  key: string;
}

interface Course {
  /** Of the last explained frame. */
  label?: string;
  keptAt: number;
  /** Changes that may be kept now. */
  allowance: number;
  at: number;
  /** By sequence, of frames that are on their way. */
  judged: Map<number, boolean>;
}

/**
 * Which explained frames are worth keeping: each whose class is another than that of the explained frame before it, or
 * that was chosen for what it is, as far as those do not come without end; and one every so often of what stays the same.
 */
export function createChoice(everyMs: number, now: () => number = () => performance.now()) {
  const courses = new Map<string, Course>();

  const courseOf = (key: string): Course => {
    let found = courses.get(key);
    if (!found) {
      found = { keptAt: -Infinity, allowance: LIMITS.atOnce, at: now(), judged: new Map() };
      courses.set(key, found);
    }
    return found;
  };

  const isKept = (course: Course, { label, why = [] }: Judged): boolean => {
    const time = now();
    const isChange = course.label !== label || why.some((reason) => !TURNS.has(reason));
    course.label = label;
    course.allowance = Math.min(LIMITS.atOnce, course.allowance + ((time - course.at) / 1000) * LIMITS.perSecond);
    course.at = time;
    const isDue = time - course.keptAt >= everyMs;
    if (!isDue && !(isChange && course.allowance >= 1)) return false;
    if (isChange) course.allowance = Math.max(0, course.allowance - 1);
    course.keptAt = time;
    return true;
  };

  return {
    /** The same answer for the same frame, before its pictures are drawn and when it comes. */
    judge(frame: Judged): boolean {
      if (!frame.explained) return false;
      const course = courseOf(frame.key);
      const { judged } = course;
      let kept = judged.get(frame.sequence);
      if (kept === undefined) {
        kept = isKept(course, frame);
        judged.set(frame.sequence, kept);
        if (judged.size > LIMITS.remembered) judged.delete(judged.keys().next().value!);
      }
      return kept;
    },
    /** The frame has come: what is asked of that sequence from now on is asked of another. */
    come: ({ key, sequence }: Pick<Judged, "key" | "sequence">) => courses.get(key)?.judged.delete(sequence),
    forget: (key: string) => courses.delete(key),
  };
}
