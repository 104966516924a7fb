import { BehaviorSubject, type Observable } from "rxjs";
import type { SourceStateName } from "../messages/summary.js";

export interface SourceState {
  state: SourceStateName;
  /** One sentence, credentials masked; null when there is nothing to explain. */
  reason: string | null;
  /** Unix milliseconds when this state began. */
  since: number;
  restarts: number;
  /** Unix milliseconds when the last frame came. */
  lastFrameAt: number | null;
  /** ffmpeg's last lines, credentials masked. */
  ffmpeg: string[];
}

/** The state of one source; observers hear of changes of state or reason. */
export class SourceStateStore {
  readonly #changes: BehaviorSubject<SourceState>;
  readonly changes$: Observable<SourceState>;
  restarts = 0;
  lastFrameAt: number | null = null;

  constructor(private readonly logLines: () => string[]) {
    this.#changes = new BehaviorSubject<SourceState>(this.#describe("connecting", null, Date.now()));
    this.changes$ = this.#changes.asObservable();
  }

  get state(): SourceStateName {
    return this.#changes.value.state;
  }

  set(state: SourceStateName, reason: string | null): void {
    const was = this.#changes.value;
    if (was.state === state && was.reason === reason) return;
    this.#changes.next(this.#describe(state, reason, was.state === state ? was.since : Date.now()));
  }

  now(): SourceState {
    const { state, reason, since } = this.#changes.value;
    return this.#describe(state, reason, since);
  }

  complete(): void {
    this.#changes.complete();
  }

  #describe(state: SourceStateName, reason: string | null, since: number): SourceState {
    return { state, reason, since, restarts: this.restarts, lastFrameAt: this.lastFrameAt, ffmpeg: this.logLines() };
  }
}
