import { Worker } from "node:worker_threads";
import { VideoExplainerError } from "../errors.js";
import { workerUrl } from "../worker-url.js";
import { lendFontConfig } from "./font-config.js";
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

interface Hand {
  worker: Worker;
  pending: Map<number, Pending>;
}

const failed = (message: string, cause?: unknown): VideoExplainerError =>
  new VideoExplainerError("overlay", message, { cause });

/**
 * Starts a pool of threads that draw and encode. A request that fails rejects alone. A thread that dies rejects what it
 * had in hand and is replaced at the next request. An idle renderer does not keep the process alive.
 */
export function createOverlayRenderer(options: OverlayRendererOptions = {}): OverlayRenderer {
  const { workers = 1, script = workerUrl(import.meta.url, "./overlay.worker.js") } = options;
  const hands = new Set<Hand>();
  const exits = new Set<Promise<void>>();
  const inFlight = new Set<Promise<unknown>>();
  let nextId = 0;
  let closing: Promise<void> | undefined;

  function start(): Hand {
    const giveBackFontConfig = lendFontConfig();
    const worker = new Worker(script, { execArgv: [] });
    const hand: Hand = { worker, pending: new Map() };
    let reason: unknown;
    const settle = (id: number): Pending | undefined => {
      const pending = hand.pending.get(id);
      hand.pending.delete(id);
      if (hand.pending.size === 0) worker.unref();
      return pending;
    };
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "ready") giveBackFontConfig();
      else if (message.kind === "done") settle(message.id)?.resolve(message.result);
      else settle(message.id)?.reject(failed(message.message));
    });
    worker.on("error", (error) => {
      reason = error;
      hands.delete(hand);
    });
    const exit = new Promise<void>((resolve) => {
      worker.on("exit", (code) => {
        giveBackFontConfig();
        hands.delete(hand);
        exits.delete(exit);
        const why = reason instanceof Error ? reason.message.split("\n")[0] : `exit code ${code}`;
        const message = `the overlay thread ended while drawing (${why}); this frame has no overlay, the next starts a new thread`;
        for (const pending of hand.pending.values()) pending.reject(failed(message, reason));
        hand.pending.clear();
        resolve();
      });
    });
    exits.add(exit);
    hands.add(hand);
    return hand;
  }

  function idlest(): Hand {
    let best: Hand | undefined;
    for (const hand of hands) if (!best || hand.pending.size < best.pending.size) best = hand;
    return best && (best.pending.size === 0 || hands.size >= workers) ? best : start();
  }

  function send(request: OverlayRequest): Promise<OverlayResult> {
    return new Promise((resolve, reject) => {
      const hand = idlest();
      const id = nextId++;
      // A view would take its whole buffer along; the caller keeps his own.
      const heatmap = request.heatmap ? request.heatmap.slice() : null;
      const message: ToWorker = { kind: "paint", id, request: { ...request, heatmap } };
      hand.pending.set(id, { resolve, reject });
      hand.worker.ref();
      try {
        hand.worker.postMessage(message, heatmap ? [heatmap.buffer] : []);
      } catch (error) {
        hand.pending.delete(id);
        if (hand.pending.size === 0) hand.worker.unref();
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
        for (const { worker } of hands) {
          worker.ref();
          worker.postMessage({ kind: "close" } satisfies ToWorker);
        }
        await Promise.all(exits);
      })();
      return closing;
    },
  };
}
