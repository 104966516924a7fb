import { Subject } from "rxjs";
import type { SourceConfig } from "../../../src/config/schema.js";
import { type Frame, frameBytes, frameLayout } from "../../../src/frame.js";
import type { DropReason } from "../../../src/messages/ledger.js";
import type { Ledger, SourceOptions, VideoSource } from "../../../src/pipeline/index.js";
import { SourceStateStore } from "../../../src/pipeline/source-state.js";

const labels = new WeakMap<SharedArrayBuffer, string>();
/** `belt 3`: source and sequence of the frame that lies in this memory. */
export const labelOf = (memory: SharedArrayBuffer): string => labels.get(memory)!;

const layout = frameLayout(8, 8, undefined, { fit: "stretch", inputWidth: 4, inputHeight: 4 });

/** A source whose frames come when the test says so. */
export class FakeSource implements VideoSource {
  readonly name: string;
  readonly policy: Frame["policy"];
  readonly layout = layout;
  readonly pid = undefined;
  readonly isFull = false;
  readonly #board = new SourceStateStore(() => []);
  readonly #available = new Subject<void>();
  readonly #queue: Frame[] = [];
  #sequence = 0;
  #done = false;
  /** Frames that were given back; one that comes back twice throws. */
  releases = 0;
  stopped = false;

  constructor(
    config: SourceConfig,
    readonly options: SourceOptions,
    readonly ledger: Ledger,
  ) {
    this.name = config.name;
    this.policy = config.policy ?? "every-frame";
  }

  readonly available$ = this.#available.asObservable();
  readonly status$ = this.#board.changes$;
  status = () => this.#board.now();
  get queued(): number {
    return this.#queue.length;
  }
  get isFinished(): boolean {
    return this.#done && this.#queue.length === 0;
  }

  /** So many frames come. */
  give(count = 1): void {
    this.#board.set("live", null);
    for (let k = 0; k < count; k++) {
      const sequence = this.#sequence++;
      const memory = new SharedArrayBuffer(frameBytes(layout));
      labels.set(memory, `${this.name} ${sequence}`);
      let out = true;
      this.ledger.captured();
      this.#queue.push({
        ...{ source: this.name, epoch: 0, sequence, pts: sequence / 25, policy: this.policy, layout, memory },
        capturedAt: Date.now(),
        receivedAt: performance.now(),
        release: () => {
          if (!out) throw new Error(`${labelOf(memory)} was released twice`);
          out = false;
          this.releases++;
        },
      });
      this.#available.next();
    }
  }

  end(state: "ended" | "failed" = "ended", reason: string | null = null): void {
    this.#board.set(state, reason);
    this.#done = true;
    this.#available.complete();
  }

  take(): Frame | undefined {
    return this.#queue.shift();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (!this.#done) this.end("ended", "it was stopped");
    if (this.policy === "latest") this.discard("shutdown");
  }

  discard(reason: DropReason): void {
    for (let frame = this.take(); frame; frame = this.take()) {
      frame.release();
      this.ledger.dropped(reason);
    }
  }
}
