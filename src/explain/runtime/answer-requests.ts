import { plainError } from "../../errors.js";
import type { ExplainInput, Explanation } from "../explanation.js";
import type { ThreadMessage, ThreadRequest } from "./thread-messages.js";

/** A thread's end of the channel to the one that started it. */
export interface RequestPort {
  on(event: "message", listener: (request: ThreadRequest) => void): unknown;
  postMessage(message: ThreadMessage, transfer: ArrayBuffer[]): void;
  close(): void;
}

/** Answers what is asked on a port, one request after the other, each batch with a result or its failure. */
export function answerRequests(
  port: RequestPort,
  explain: (batch: readonly ExplainInput[]) => Promise<Explanation[]>,
  close: () => Promise<void>,
): void {
  const answer = async (request: ThreadRequest): Promise<void> => {
    if (request.kind === "close") {
      await close();
      return port.close();
    }
    const { id } = request;
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    try {
      const explanations = await explain(request.batch);
      const heatmaps = explanations.flatMap((e) => (e.relevance ? [e.relevance.heatmap.buffer as ArrayBuffer] : []));
      port.postMessage({ kind: "result", id, explanations, seconds: seconds() }, heatmaps);
    } catch (error) {
      port.postMessage({ kind: "failed", id, error: plainError(error), seconds: seconds() }, []);
    }
  };
  let queue = Promise.resolve();
  port.on("message", (request) => {
    queue = queue.then(() => answer(request));
  });
}
