import type { FleetConfig } from "../config/schema.js";
import type { FrameTicket } from "../frame.js";
import { LeftOutError } from "../messages/ledger.js";
import type { readReport } from "./wire.js";

export type Reported = NonNullable<ReturnType<typeof readReport>>;

/** What a film's frame is waited for beyond the time that the stream keeps it. */
const SPARE_MS = 5_000;

/** The answer to one frame, which comes, or is given up in time where the frame is live. */
export class PendingAnswer {
  /** Rejects with what ends the wait. */
  readonly answered: Promise<Reported>;
  answer!: (reported: Reported) => void;
  fail!: (error: Error) => void;
  /** What was published of it is there no more. */
  gone: () => void = () => {};
  readonly #end = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  #isOut = false;

  constructor(
    private readonly ticket: FrameTicket,
    private readonly config: FleetConfig,
  ) {
    this.answered = new Promise((resolve, reject) => {
      this.answer = resolve;
      this.fail = reject;
    });
    this.answered.catch(() => undefined);
    if (!ticket.isLive) return;
    const { maxAgeMs, answerSeconds } = config;
    this.#after(maxAgeMs, () => {
      if (!this.#isOut) this.fail(unanswered(`the work queue could not be reached for ${maxAgeMs} ms`));
    });
    this.#after(answerSeconds * 1000, () => {
      const text = `no explain worker has answered within ${answerSeconds} s; is one running with the same model and explain settings?`;
      this.fail(unanswered(text));
    });
  }

  /** Ends with the wait. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** The stream has it. */
  givenOut(): void {
    this.#isOut = true;
    this.ticket.givenOut(true);
  }

  /** The answer; undefined when the stream cannot have the frame any more and it should be published again. */
  async answeredOrGone(): Promise<Reported | undefined> {
    const { stream, ackWaitSeconds } = this.config;
    const gone = new Promise<undefined>((resolve) => {
      this.gone = () => resolve(undefined);
      if (this.ticket.isLive) return;
      const timer = setTimeout(this.gone, (stream.maxAgeSeconds + ackWaitSeconds) * 1000 + SPARE_MS);
      this.#timers.push(timer);
    });
    const reported = await Promise.race([this.answered, gone]);
    if (reported === undefined) this.ticket.givenOut(false);
    return reported;
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.ticket.givenOut(false);
    this.#end.abort();
  }

  #after(ageMs: number, act: () => void): void {
    const age = performance.now() - this.ticket.receivedAt;
    this.#timers.push(setTimeout(act, Math.max(0, ageMs - age)));
  }
}

const unanswered = (text: string): LeftOutError => new LeftOutError("unanswered", text);
