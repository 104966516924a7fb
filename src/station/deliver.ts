import type { FrameOutcome, MessageKind } from "../messages/message.js";
import type { Metrics } from "../metrics/metrics.js";
import type { Sink, UpcomingFrame } from "../sinks/sink.js";

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

  // Every sink is asked: each may have to remember the frame.
  wantsOverlay(source: string, frame: UpcomingFrame): boolean {
    const takers = this.sinks.filter((sink) => sink.kinds.has("overlay"));
    return takers.filter((sink) => sink.wantsOverlay?.(source, frame) ?? true).length > 0;
  }

  wantsOriginal(source: string, frame: UpcomingFrame): boolean {
    return this.sinks.filter((sink) => sink.wantsOriginal?.(source, frame) ?? false).length > 0;
  }

  /**
   * Resolves when every sink has accepted or refused; one sink's fault is not another's. `onSettled` is called once,
   * when it is known whether every sink that takes summaries published this one; a slow far end lets it wait.
   */
  async write(outcome: FrameOutcome, onSettled: (published: boolean) => void = () => {}): Promise<void> {
    const startedAt = performance.now();
    const takers = this.sinks.filter((sink) => sink.kinds.has("summary"));
    const settle = whenAll(takers.length, onSettled);
    await Promise.all(
      this.sinks.map(async (sink) => {
        const taken = outcome.messages.filter((m) => sink.kinds.has(m.kind));
        const once = takers.includes(sink) ? settle() : () => {};
        const messages = taken.map((m) => (m.kind === "summary" && sink.settles ? { ...m, onSettled: once } : m));
        try {
          await sink.write({ ...outcome, messages });
          if (!sink.settles) once(true);
        } catch (error) {
          this.onError(sink, error instanceof Error ? error : new Error(String(error)));
          once(false);
        }
      }),
    );
    this.metrics.stage("publish", (performance.now() - startedAt) / 1000);
  }

  /** Resolves when no sink holds anything. A far end that is away may come back: `onAway` is called for each such sink. */
  async flushed(onAway: (sink: Sink) => void): Promise<void> {
    const holding = this.sinks.filter((sink) => sink.status().buffered > 0);
    for (const sink of holding) if (!sink.status().connected) onAway(sink);
    await Promise.all(holding.map((sink) => sink.flushed?.()));
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

/** Makes `count` callbacks; after each was called, the result is true when all of them were. Further calls do nothing. */
function whenAll(count: number, done: (all: boolean) => void): () => (ok: boolean) => void {
  let left = count;
  let all = true;
  if (count === 0) done(true);
  return () => {
    let isCalled = false;
    return (ok) => {
      if (isCalled) return;
      isCalled = true;
      all &&= ok;
      if (--left === 0) done(all);
    };
  };
}
