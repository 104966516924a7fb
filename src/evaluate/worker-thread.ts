import { Worker } from "node:worker_threads";
import { rebuildError, VideoExplainerError } from "../errors.js";
import { keepToOurselves } from "../explain/engines/telemetry.js";
import { workerUrl } from "../worker-url.js";
import type { Answers, FromWorker, Ready, Task, ToWorker, WorkerSettings } from "./worker-messages.js";

/** A thread that loads the model and does one task at a time. */
export class EvaluationThread {
  #settle: ((reply: FromWorker | Error) => void) | undefined;
  #fault: Error | undefined;
  #ready: Ready | undefined;

  private constructor(private readonly worker: Worker) {
    const ended = (why: string, cause?: unknown): void => {
      this.#fault ??= new VideoExplainerError("engine-died", `a thread of the evaluation ended (${why})`, { cause });
      this.#settle?.(this.#fault);
    };
    worker.on("message", (message: FromWorker) => this.#settle?.(message));
    worker.on("error", (cause) => ended(cause.message, cause));
    worker.on("exit", (code) => ended(`exit code ${code}`));
  }

  /** @throws InputError or ModelError when the model or its card are wrong */
  static async start(settings: WorkerSettings): Promise<EvaluationThread> {
    keepToOurselves();
    const thread = new EvaluationThread(
      new Worker(workerUrl(import.meta.url, "./evaluate.worker.js"), { workerData: settings }),
    );
    const ready = await thread.#reply();
    if (ready.kind === "ready") thread.#ready = ready;
    return thread;
  }

  /** What it says of the model. */
  get ready(): Ready {
    return this.#ready!;
  }

  /** @throws VideoExplainerError where the task failed or the thread ended */
  async do<K extends Task["kind"]>(task: Extract<Task, { kind: K }>): Promise<Answers[K]> {
    if (this.#fault) throw this.#fault;
    this.worker.postMessage({ kind: "task", task } satisfies ToWorker);
    const reply = await this.#reply();
    if (reply.kind !== "done")
      throw new VideoExplainerError("internal", "a thread of the evaluation answered out of turn");
    return reply.answer as Answers[K];
  }

  /** Once its task is done. */
  async close(): Promise<void> {
    if (this.#fault) return;
    const gone = new Promise<void>((resolve) => this.worker.once("exit", () => resolve()));
    this.worker.postMessage({ kind: "close" } satisfies ToWorker);
    await gone;
  }

  async #reply(): Promise<FromWorker> {
    const reply = await new Promise<FromWorker | Error>((settle) => {
      this.#settle = settle;
    });
    this.#settle = undefined;
    if (reply instanceof Error) throw reply;
    if (reply.kind === "failed") throw rebuildError(reply.error);
    return reply;
  }
}
