import { type Observable, Subject } from "rxjs";
import type { Frame } from "../frame.js";
import type { DropReason } from "../messages/ledger.js";
import type { Ledger } from "./ledger.js";

/** Frames that a live source keeps until they are taken. */
const LIVE_QUEUE = 2;

/** The frames of one source that wait to be taken: it gives each its place in the source's count and tells the ledger of each. */
export class FrameQueue {
  readonly #frames: Frame[] = [];
  readonly #available = new Subject<void>();
  readonly available$: Observable<void> = this.#available.asObservable();
  #epoch = -1;
  #sequence = 0;

  constructor(
    private readonly policy: Frame["policy"],
    private readonly ledger: Ledger,
  ) {}

  get length(): number {
    return this.#frames.length;
  }

  /** The frames from now on are another connection's. */
  beginEpoch(): void {
    this.#epoch++;
  }

  push(frame: Omit<Frame, "epoch" | "sequence">): void {
    this.ledger.captured();
    this.#frames.push({ ...frame, epoch: this.#epoch, sequence: this.#sequence++ });
    if (this.policy === "latest" && this.#frames.length > LIVE_QUEUE) this.#dropOldest("newer-frame");
    this.#available.next();
  }

  /** A picture came and was no frame, for this reason. */
  lose(reason: DropReason): void {
    this.#sequence++;
    this.ledger.captured();
    this.ledger.dropped(reason);
  }

  /** Of a live source the oldest goes, so that a newer one has memory to be in. */
  makeRoom(): void {
    if (this.policy === "latest" && this.#frames.length > 0) this.#dropOldest("newer-frame");
  }

  take(): Frame | undefined {
    return this.#frames.shift();
  }

  discard(reason: DropReason): void {
    while (this.#frames.length > 0) this.#dropOldest(reason);
  }

  /** No more will come; what is queued can still be taken. */
  complete(): void {
    this.#available.complete();
  }

  #dropOldest(reason: DropReason): void {
    this.#frames.shift()!.release();
    this.ledger.dropped(reason);
  }
}
