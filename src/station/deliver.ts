import type { Only } from "../config/choice.js";
import type { FrameOutcome, MessageKind } from "../messages/message.js";
import type { Metrics } from "../metrics/metrics.js";
import { type TakenFrame, takes } from "../sinks/only.js";
import type { Sink, UpcomingFrame } from "../sinks/sink.js";

/** What the sinks that take a frame have use for. */
export const wants = (takers: readonly Sink[], kind: MessageKind): boolean =>
  takers.some((sink) => sink.kinds.has(kind));

// Every sink is asked: each may have to remember the frame.

/** Whether one of them has use for this overlay. */
export const wantsOverlay = (takers: readonly Sink[], source: string, frame: UpcomingFrame): boolean =>
  takers.filter((sink) => sink.kinds.has("overlay") && (sink.wantsOverlay?.(source, frame) ?? true)).length > 0;

/** Whether one of them looks at the picture as it was decoded. */
export const wantsOriginal = (takers: readonly Sink[], source: string, frame: UpcomingFrame): boolean =>
  takers.filter((sink) => (sink.wantsOriginal?.(source, frame) ?? false) || sink.kinds.has("original")).length > 0;

/** All sinks as one: which of them take a frame, and a write to each that has use for it. */
export class Delivery {
  constructor(
    readonly sinks: readonly Sink[],
    private readonly metrics: Metrics,
    private readonly onError: (sink: Sink, error: Error) => void,
    /** Of sinks that do not take every frame, by their names. */
    private readonly only: ReadonlyMap<string, Only> = new Map(),
  ) {}

  /** The sinks that take a frame; of the others it is counted as skipped. */
  takers(frame: TakenFrame): readonly Sink[] {
    return this.sinks.filter((sink) => {
      const isTaken = takes(this.only.get(sink.name), frame);
      if (!isTaken) this.metrics.skipped(sink.name);
      return isTaken;
    });
  }

  /**
   * Resolves when every sink that takes it has accepted or refused; one sink's fault is not another's. `onSettled` is called
   * once, when it is known whether each of them that takes summaries published this one; a slow far end lets it wait.
   */
  async write(
    outcome: FrameOutcome,
    takers: readonly Sink[] = this.sinks,
    onSettled: (published: boolean) => void = () => {},
  ): Promise<void> {
    const startedAt = performance.now();
    const settling = takers.filter((sink) => sink.kinds.has("summary"));
    const settle = whenAll(settling.length, onSettled);
    await Promise.all(
      takers.map(async (sink) => {
        const taken = outcome.messages.filter((m) => sink.kinds.has(m.kind));
        const once = settling.includes(sink) ? settle() : () => {};
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
