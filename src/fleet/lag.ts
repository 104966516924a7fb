import type { FleetMetrics } from "../metrics/metrics.js";
import type { FleetSession } from "./link.js";

const EVERY_MS = 5_000;

/**
 * Looks every few seconds, as long as the session lasts, at the queues of what are the consumers then. `onGone`: one is not
 * there any more.
 */
export function watchQueue(
  { jsm, signal }: FleetSession,
  { stream, consumers, metrics }: { stream: string; consumers(): string[]; metrics: FleetMetrics },
  onGone: (error: Error) => void = () => {},
): void {
  const look = async (): Promise<void> => {
    try {
      const all = await Promise.all(consumers().map((consumer) => jsm.consumers.info(stream, consumer)));
      const sum = (key: "num_pending" | "num_ack_pending"): number => all.reduce((total, info) => total + info[key], 0);
      if (!signal.aborted) metrics.queue(sum("num_pending"), sum("num_ack_pending"));
    } catch (error) {
      // Of a refusal, not of an answer that did not come.
      if (!signal.aborted && (error as { api_error?: unknown }).api_error !== undefined) onGone(error as Error);
    }
  };
  const timer = setInterval(() => void look(), EVERY_MS);
  timer.unref();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  void look();
}
