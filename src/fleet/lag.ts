import type { FleetMetrics } from "../metrics/metrics.js";
import type { FleetSession } from "./link.js";

const EVERY_MS = 5_000;

/** Looks at a queue every few seconds as long as the session lasts. `onGone`: its consumer is not there any more. */
export function watchQueue(
  { jsm, signal }: FleetSession,
  { stream, consumer, metrics }: { stream: string; consumer: string; metrics: FleetMetrics },
  onGone: (error: Error) => void = () => {},
): void {
  const look = async (): Promise<void> => {
    try {
      const { num_pending, num_ack_pending } = await jsm.consumers.info(stream, consumer);
      if (!signal.aborted) metrics.queue(num_pending, num_ack_pending);
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
