import { Worker } from "node:worker_threads";
import { rebuildError, VideoExplainerError } from "../../errors.js";
import { workerUrl } from "../../worker-url.js";
import { keepToOurselves } from "../engines/telemetry.js";
import type { ExplainInput, Explanation } from "../explanation.js";
import type { ExplainerOptions, SharedModels } from "./explainer-options.js";
import type { LostMessage, ReadyMessage, ThreadMessage, ThreadRequest } from "./thread-messages.js";

/** So many frames that take so long never end: the slowest networks need some seconds a frame. */
const STUCK_MS = 60_000;
const FRAMES = 8;

interface Call {
  /** `performance.now()` when it was asked. */
  since: number;
  frames: number;
  resolve(explanations: Explanation[]): void;
  reject(error: Error): void;
}

/** What is told of a thread as it comes. */
export interface ThreadEvents {
  /** The model is found to be right and compiled: others can start on the same. */
  onCompiled?: (shared: SharedModels) => void;
  /** What went wrong later on and was mended, a sentence each; what ends the thread is its `fault`. */
  onNote?: (sentence: string) => void;
  /** An engine, e.g. `onnxruntime-cpu`, was busy with a batch for so long. */
  onRun?: (engine: string, seconds: number) => void;
}

/** One worker thread with a warm model. Batches are run in the order they are given. */
export class EngineThread {
  #waiting = new Map<number, Call>();
  #next = 0;
  #answeredAt = 0;
  #dead: Error | undefined;
  #lost: LostMessage | undefined;

  private constructor(
    private readonly worker: Worker,
    /** What it says of itself. */
    readonly ready: ReadyMessage,
    private readonly stuckMs: number,
    private readonly events: ThreadEvents,
  ) {}

  static start(options: ExplainerOptions, events: ThreadEvents = {}): Promise<EngineThread> {
    keepToOurselves();
    const worker = new Worker(workerUrl(import.meta.url, "./explainer.worker.js"), { workerData: options });
    return new Promise((resolve, reject) => {
      let thread: EngineThread | undefined;
      const fail = (error: Error): void => {
        if (thread) thread.#fail(error);
        else reject(error);
      };
      worker.on("message", (message: ThreadMessage) => {
        if (message.kind === "compiled") events.onCompiled?.(message.shared);
        else if (message.kind === "ready") {
          thread = new EngineThread(worker, message, options.stuckMs ?? STUCK_MS, events);
          resolve(thread);
        } else if (message.kind === "lost") {
          if (thread) thread.#lost = message;
          if (message.engine !== undefined) events.onNote?.(message.sentence);
        } else if (message.kind === "failed" && message.id === undefined) fail(rebuildError(message.error));
        else if (thread) thread.#settle(message);
      });
      worker.on("error", (cause) => fail(died(cause.message, cause)));
      worker.on("exit", (code) => fail(died(`exit code ${code}`)));
    });
  }

  /** Why nothing is to be expected of it any more, or nothing comes; undefined while all is well. */
  get fault(): string | undefined {
    if (this.#dead) return "a thread of the engine has died";
    if (this.#lost && this.#lost.engine === undefined) return this.#lost.sentence;
    const [oldest] = this.#waiting.values();
    if (!oldest) return undefined;
    // It may have waited for those before it, and a large batch takes its time.
    const silentMs = performance.now() - Math.max(oldest.since, this.#answeredAt);
    if (silentMs <= this.stuckMs * Math.ceil(oldest.frames / FRAMES)) return undefined;
    return `the engine has not answered for ${Math.round(silentMs / 1000)} s`;
  }

  /** What runs its batches now. */
  get engine(): string {
    return this.#lost?.engine ?? this.ready.engine;
  }

  explain(batch: readonly ExplainInput[]): Promise<Explanation[]> {
    if (this.#dead) return Promise.reject(this.#dead);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { since: performance.now(), frames: batch.length, resolve, reject });
      this.worker.postMessage({ kind: "batch", id, batch } satisfies ThreadRequest);
    });
  }

  async close(): Promise<void> {
    if (this.#dead) return;
    const gone = new Promise<void>((resolve) => this.worker.once("exit", () => resolve()));
    this.worker.postMessage({ kind: "close" } satisfies ThreadRequest);
    await gone;
  }

  #settle(message: Extract<ThreadMessage, { id: number }>): void {
    this.#answeredAt = performance.now();
    this.events.onRun?.(this.engine, message.seconds);
    const call = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === "result") call?.resolve(message.explanations);
    else call?.reject(rebuildError(message.error));
  }

  #fail(error: Error): void {
    this.#dead ??= error;
    for (const call of this.#waiting.values()) call.reject(error);
    this.#waiting.clear();
  }
}

const died = (why: string, cause?: unknown): VideoExplainerError =>
  new VideoExplainerError("engine-died", `an engine thread ended (${why}); restart the worker`, { cause });
