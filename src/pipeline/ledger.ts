import { VideoExplainerError } from "../errors.js";
import type { DropReason, LedgerSnapshot } from "../messages/ledger.js";

export type LedgerEvent = "captured" | "explained" | "classified" | "dropped";
/** A frame that is on its way is given out to another process, or back. */
export type LedgerMove = "queued" | "returned";
/** Called once for every frame that changes its place in the ledger, after the ledger has changed. */
export type LedgerObserver = (source: string, what: LedgerEvent, reason?: DropReason) => void;

/**
 * Accounts for every frame of one source: `captured = explained + classified + Σ dropped + inFlight + queued`, exactly, at
 * any time. Settling more frames than were captured throws: it would be a fault of the program.
 */
export class Ledger {
  #captured = 0;
  #explained = 0;
  #classified = 0;
  #inFlight = 0;
  #queued: number | undefined;
  readonly #dropped = new Map<DropReason, number>();

  constructor(
    readonly source: string,
    private readonly onEvent: LedgerObserver = () => {},
    private readonly onMove: (what: LedgerMove) => void = () => {},
  ) {}

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Given out and not yet back. */
  get queued(): number {
    return this.#queued ?? 0;
  }

  captured(): void {
    this.#captured++;
    this.#inFlight++;
    this.onEvent(this.source, "captured");
  }

  /** Classified and explained. */
  explained(): void {
    this.#settle("explained");
    this.#explained++;
    this.onEvent(this.source, "explained");
  }

  /** Classified only. */
  classified(): void {
    this.#settle("classified");
    this.#classified++;
    this.onEvent(this.source, "classified");
  }

  dropped(reason: DropReason): void {
    this.#settle(`dropped (${reason})`);
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1);
    this.onEvent(this.source, "dropped", reason);
  }

  /** A frame that is in flight is given out to another process. */
  giveOut(): void {
    this.#settle("given out");
    this.#queued = this.queued + 1;
    this.onMove("queued");
  }

  /** One that was given out is back, or not waited for any more. */
  takeBack(): void {
    if (this.queued === 0) {
      throw new VideoExplainerError("ledger", `a frame of ${this.source} came back, but none is given out`);
    }
    this.#queued = this.queued - 1;
    this.#inFlight++;
    this.onMove("returned");
  }

  snapshot(): LedgerSnapshot {
    return {
      captured: this.#captured,
      explained: this.#explained,
      classified: this.#classified,
      dropped: Object.fromEntries(this.#dropped),
      inFlight: this.#inFlight,
      ...(this.#queued !== undefined && { queued: this.#queued }),
    };
  }

  #settle(as: string): void {
    if (this.#inFlight === 0) {
      throw new VideoExplainerError("ledger", `a frame of ${this.source} counts as ${as}, but none is in flight`);
    }
    this.#inFlight--;
  }
}
