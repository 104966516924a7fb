import { Worker } from "node:worker_threads";

import { type PlainError, rebuildError, VideoExplainerError } from "../errors.js";
import { workerUrl } from "../worker-url.js";
import type { Explainer, ExplainInput, Explanation, ModelInfo } from "./explanation.js";
import type { MethodOptions } from "./options.js";
import type { SummaryOptions } from "./programs/frames.js";

export interface ExplainerOptions extends MethodOptions, SummaryOptions {
  /** ONNX file, or folder with model.onnx and model.yaml. */
  model: string;
  engine: string;
  device: "auto" | "cpu" | "cuda";
  /** Threads inside the engine; 0: one per core. */
  threads: number;
}

/** What the worker says; `ready` once, then one answer a batch. */
export type WorkerMessage =
  | { kind: "ready"; model: ModelInfo; engine: string }
  | { kind: "result"; id: number; explanations: Explanation[] }
  | { kind: "failed"; id?: number; error: PlainError };

/** What the worker is asked. */
export type WorkerRequest = { kind: "batch"; id: number; batch: readonly ExplainInput[] } | { kind: "close" };

/**
 * Loads a model in a worker thread, compiles and warms it.
 * @throws InputError or ModelError when model, card, method or target are wrong
 */
export async function createExplainer(options: ExplainerOptions): Promise<Explainer> {
  const worker = new Worker(workerUrl(import.meta.url, "./explainer.worker.js"), { workerData: options });
  const waiting = new Map<number, { resolve(e: Explanation[]): void; reject(e: Error): void }>();
  let next = 0;
  let dead: Error | undefined;
  const ready = await new Promise<{ model: ModelInfo; engine: string }>((resolve, reject) => {
    const fail = (error: Error): void => {
      dead = error;
      reject(error);
      for (const call of waiting.values()) call.reject(error);
      waiting.clear();
    };
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "ready") return resolve(message);
      const call = message.id === undefined ? undefined : waiting.get(message.id);
      if (message.kind === "result") call?.resolve(message.explanations);
      else if (call) call.reject(rebuildError(message.error));
      else fail(rebuildError(message.error));
      if (message.id !== undefined) waiting.delete(message.id);
    });
    worker.on("error", (cause) =>
      fail(
        new VideoExplainerError("engine-died", `the engine's thread died (${cause.message}); restart the worker.`, {
          cause,
        }),
      ),
    );
    worker.on("exit", (code) =>
      fail(new VideoExplainerError("engine-died", `the engine's thread ended with code ${code}; restart the worker.`)),
    );
  });
  return {
    model: ready.model,
    engine: ready.engine,
    explain(batch) {
      if (dead) return Promise.reject(dead);
      if (batch.length === 0) return Promise.resolve([]);
      const id = next++;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        worker.postMessage({ kind: "batch", id, batch } satisfies WorkerRequest);
      });
    },
    async close() {
      if (dead) return;
      const gone = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      worker.postMessage({ kind: "close" } satisfies WorkerRequest);
      await gone;
    },
  };
}
