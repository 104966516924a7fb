import { setTimeout as sleep } from "node:timers/promises";
import type { Metrics } from "../metrics/metrics.js";
import type { FrameOutcome, MessageKind, Sink } from "../sinks/sink.js";

/** How often it is looked whether sinks still hold something. */
const LOOK_MS = 50;

/** All sinks as one: what they take, and a write to each that has use for it. */
export class Delivery {
  constructor(
    readonly sinks: readonly Sink[],
    private readonly metrics: Metrics,
    private readonly onError: (sink: Sink, error: Error) => void,
  ) {}

  wants(kind: MessageKind): boolean {
    return this.sinks.some((sink) => sink.kinds.has(kind));
  }

  wantsOriginal(source: string): boolean {
    return this.sinks.some((sink) => sink.wantsOriginal?.(source) ?? false);
  }

  /** Resolves when every sink has accepted or refused; one sink's fault is not another's. */
  async write(outcome: FrameOutcome): Promise<void> {
    const startedAt = performance.now();
    await Promise.all(
      this.sinks.map((sink) =>
        sink
          .write({ ...outcome, messages: outcome.messages.filter((m) => sink.kinds.has(m.kind)) })
          .catch((error: unknown) => {
            this.onError(sink, error instanceof Error ? error : new Error(String(error)));
          }),
      ),
    );
    this.metrics.stage("publish", (performance.now() - startedAt) / 1000);
  }

  /**
   * Waits until no sink holds anything, or a stop is asked for: a far end that is away may come back. `onAway` is
   * called once for each sink that is waited for.
   */
  async flushed(isStopping: () => boolean, onAway: (sink: Sink) => void): Promise<void> {
    const away = new Set<Sink>();
    const holding = (): Sink[] => this.sinks.filter((sink) => sink.status().buffered > 0);
    for (let left = holding(); left.length > 0 && !isStopping(); left = holding()) {
      for (const sink of left) {
        if (sink.status().connected || away.has(sink)) continue;
        away.add(sink);
        onAway(sink);
      }
      await sleep(LOOK_MS);
    }
  }

  /** Closes every sink and resolves to what each lost. */
  async close(deadlineMs: number): Promise<Error[]> {
    const closing = await Promise.allSettled(this.sinks.map((sink) => sink.close(deadlineMs)));
    return closing.flatMap((end) => {
      if (end.status === "fulfilled") return [];
      return end.reason instanceof Error ? end.reason : new Error(String(end.reason));
    });
  }
}
