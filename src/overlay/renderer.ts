import { Worker } from "node:worker_threads";
import { VideoExplainerError } from "../errors.js";
import { workerUrl } from "../worker-url.js";
import { overrideFontConfig } from "./font-config.js";
import type { OverlayRenderer, OverlayRequest, OverlayResult } from "./overlay.js";
import type { FromWorker, ToWorker } from "./worker-messages.js";

export interface OverlayRendererOptions {
  /** Threads that draw; default 1, enough for some 80 frames of 720p a second. */
  workers?: number;
  /** Another worker script, for tests. */
  script?: URL;
}

interface Pending {
  resolve(result: OverlayResult): void;
  reject(error: VideoExplainerError): void;
}

interface WorkerSlot {
  worker: Worker;
  pending: Map<number, Pending>;
}

const failed = (message: string, cause?: unknown): VideoExplainerError =>
  new VideoExplainerError("overlay", message, { cause });

/**
 * Starts a pool of threads that draw and encode. A request that fails rejects alone. A thread that dies rejects what it
 * had under way and is replaced at the next request. An idle renderer does not keep the process alive.
 */
export function createOverlayRenderer(options: OverlayRendererOptions = {}): OverlayRenderer {
  const { workers = 1, script = workerUrl(import.meta.url, "./overlay.worker.js") } = options;
  const pool = new Set<WorkerSlot>();
  const exits = new Set<Promise<void>>();
  const inFlight = new Set<Promise<unknown>>();
  let nextId = 0;
  let closing: Promise<void> | undefined;

  function start(): WorkerSlot {
    const restoreFontConfig = overrideFontConfig();
    const worker = new Worker(script, { execArgv: [] });
    const slot: WorkerSlot = { worker, pending: new Map() };
    let reason: unknown;
    const settle = (id: number): Pending | undefined => {
      const pending = slot.pending.get(id);
      slot.pending.delete(id);
      if (slot.pending.size === 0) worker.unref();
      return pending;
    };
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "ready") restoreFontConfig();
      else if (message.kind === "done") settle(message.id)?.resolve(message.result);
      else settle(message.id)?.reject(failed(message.message));
    });
    worker.on("error", (error) => {
      reason = error;
      pool.delete(slot);
    });
    const exit = new Promise<void>((resolve) => {
      worker.on("exit", (code) => {
        restoreFontConfig();
        pool.delete(slot);
        exits.delete(exit);
        const why = reason instanceof Error ? reason.message.split("\n")[0] : `exit code ${code}`;
        const message = `the overlay thread ended while drawing (${why}); this frame has no overlay, the next starts a new thread`;
        for (const pending of slot.pending.values()) pending.reject(failed(message, reason));
        slot.pending.clear();
        resolve();
      });
    });
    exits.add(exit);
    pool.add(slot);
    return slot;
  }

  function leastBusy(): WorkerSlot {
    let best: WorkerSlot | undefined;
    for (const slot of pool) if (!best || slot.pending.size < best.pending.size) best = slot;
    return best && (best.pending.size === 0 || pool.size >= workers) ? best : start();
  }

  function send(request: OverlayRequest): Promise<OverlayResult> {
    return new Promise((resolve, reject) => {
      const slot = leastBusy();
      const id = nextId++;
      // A view would take its whole buffer along; the caller keeps his own.
      const heatmap = request.heatmap ? request.heatmap.slice() : null;
      const message: ToWorker = { kind: "paint", id, request: { ...request, heatmap } };
      slot.pending.set(id, { resolve, reject });
      slot.worker.ref();
      try {
        slot.worker.postMessage(message, heatmap ? [heatmap.buffer] : []);
      } catch (error) {
        slot.pending.delete(id);
        if (slot.pending.size === 0) slot.worker.unref();
        reject(failed(`the overlay of a frame cannot be drawn: its request cannot be sent (${error})`, error));
      }
    });
  }

  for (let count = 0; count < workers; count++) start().worker.unref();

  return {
    render(request) {
      if (closing !== undefined)
        return Promise.reject(failed("the overlay renderer is closed; no more frames can be drawn"));
      const result = send(request);
      const settled: Promise<unknown> = result.then(
        () => inFlight.delete(settled),
        () => inFlight.delete(settled),
      );
      inFlight.add(settled);
      return result;
    },
    close() {
      closing ??= (async () => {
        await Promise.all(inFlight);
        // Not terminate(): it would cut native code short.
        for (const { worker } of pool) {
          worker.ref();
          worker.postMessage({ kind: "close" } satisfies ToWorker);
        }
        await Promise.all(exits);
      })();
      return closing;
    },
  };
}
