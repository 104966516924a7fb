import type { Metrics } from "../metrics/metrics.js";
import type { FrameOutcome, MessageKind, Sink } from "../sinks/sink.js";

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
}
