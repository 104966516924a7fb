import type { When } from "../config/choice.js";
import type { Explanation } from "../explain/explanation.js";
import type { Frame } from "../frame.js";
import { CHOICE_REASONS, type ChoiceReason } from "../messages/summary.js";

/** What the reasons look at in a frame. */
interface Seen {
  /** The class on top: its index and label. */
  index: number;
  label: string;
  /** Of the class on top, and of the one behind it (0 where there is none). */
  probability: number;
  second: number;
  /** Seconds, on the stream's own clock. */
  seconds: number;
  /** Counts the frames of a connection of the source, from 0. */
  nth: number;
}

type Place = Pick<Frame, "epoch" | "sequence" | "pts">;

/** What is remembered of the last frame that was chosen. */
type Past = Pick<Seen, "index" | "seconds">;

type Reason = (when: When, seen: Seen, last: Past | undefined) => boolean;

/** Times are added up from fractions of seconds: a frame that is less than a microsecond early is on time. */
const TOLERANCE_SECONDS = 1e-6;

/** One line a reason; without a last frame there is always one to be explained. */
const REASONS: Readonly<Record<ChoiceReason, Reason>> = {
  changed: ({ changed }, { index }, last) => changed === true && index !== last?.index,
  below: ({ below }, { probability }) => below !== undefined && probability < below,
  margin: ({ margin }, { probability, second }) => margin !== undefined && probability - second < margin,
  labels: ({ labels }, { label }) => labels?.includes(label) === true,
  everySeconds: ({ everySeconds }, { seconds }, last) =>
    everySeconds !== undefined && (last === undefined || seconds - last.seconds >= everySeconds - TOLERANCE_SECONDS),
  every: ({ every }, { nth }) => every !== undefined && nth % every === 0,
};

const reasonsFor = (when: When, seen: Seen, last: Past | undefined): ChoiceReason[] =>
  CHOICE_REASONS.filter((reason) => REASONS[reason](when, seen, last));

/** Whether the nth frame of a connection is chosen whatever will be seen on it. */
export const isCertain = ({ every }: When, nth: number): boolean => every !== undefined && nth % every === 0;

/**
 * Chooses the frames of one source that are explained. It remembers the last one of them until the source is connected
 * anew: then the first frame counts as the first of all.
 */
export class FrameChooser {
  /** Of the frames as they come, and of those that are chosen from, which come later. */
  #coming = { epoch: -1, count: 0 };
  /** Of the last one that was chosen. */
  #epoch = -1;
  #last: (Past & { sequence: number }) | undefined;

  /** The number of a frame within its connection; to be asked once of each, in their order. */
  number({ epoch }: Pick<Frame, "epoch">): number {
    if (this.#coming.epoch !== epoch) this.#coming = { epoch, count: 0 };
    return this.#coming.count++;
  }

  /** Why a frame is chosen, empty where it is not; to be asked once of each that was classified, in their order. */
  choose(when: When, frame: Place, { top }: Pick<Explanation, "top">, nth: number): ChoiceReason[] {
    const [first, second] = top;
    const { index, label, probability } = first!;
    const seen = { index, label, probability, second: second?.probability ?? 0, seconds: frame.pts, nth };
    const why = reasonsFor(when, seen, this.#epoch === frame.epoch ? this.#last : undefined);
    if (why.length > 0) this.chosen(frame, index);
    return why;
  }

  /** A frame with this class on top is explained, whatever it was chosen for; in their order. */
  chosen({ epoch, sequence, pts }: Place, index: number): void {
    this.#epoch = epoch;
    this.#last = { index, seconds: pts, sequence };
  }

  /** A frame that was chosen could not be explained: the next one counts as the first of all. */
  failed({ sequence }: Pick<Frame, "sequence">): void {
    if (this.#last?.sequence === sequence) this.#last = undefined;
  }
}
