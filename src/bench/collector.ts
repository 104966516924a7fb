import type { FrameOutcome, MessageKind } from "../messages/message.js";
import type { ChoiceReason } from "../messages/summary.js";
import type { Metrics } from "../metrics/metrics.js";
import type { Sink, SinkStatus } from "../sinks/sink.js";

/** What one window of a run has shown. */
export class Samples {
  /** Milliseconds by stage; `explain` is a batch's. */
  readonly stages = new Map<string, number[]>();
  readonly batches: number[] = [];
  /** From a frame's last byte to its hand-over to the sinks. */
  readonly endToEnd: number[] = [];
  readonly bytes: Record<MessageKind, number> = { summary: 0, overlay: 0, heatmap: 0, original: 0, status: 0 };
  readonly labels = new Map<string, number>();
  /** Frames by each reason that chose them. */
  readonly reasons = new Map<ChoiceReason, number>();
  frames = 0;
  explained = 0;

  stage(name: string, ms: number): void {
    const list = this.stages.get(name);
    if (list) list.push(ms);
    else this.stages.set(name, [ms]);
  }
}

/** Writes down each frame at its hand-over to the sinks, and what the station measures, while a window is open. */
export class Collector implements Sink {
  readonly name = "bench";
  readonly kinds: ReadonlySet<MessageKind> = new Set(["summary", "overlay", "heatmap"]);
  /** Where samples go; undefined while no window is open. */
  samples: Samples | undefined;
  frames = 0;
  #handedOver: number[] = [];

  /** `onFrame` is called before the frame is counted. */
  constructor(private readonly onFrame: () => void) {}

  /** The same metrics, each stage and batch written down as well. */
  listenTo(metrics: Metrics): Metrics {
    return {
      ...metrics,
      stage: (stage, seconds) => {
        this.samples?.stage(stage, seconds * 1000);
        metrics.stage(stage, seconds);
      },
      batch: (size) => {
        this.samples?.batches.push(size);
        metrics.batch(size);
      },
    };
  }

  /** NATS has acknowledged a summary; it does so in their order, give or take. */
  acknowledged(): void {
    const at = this.#handedOver.shift();
    if (at !== undefined) this.samples?.stage("acknowledged", performance.now() - at);
  }

  connect(): Promise<void> {
    return Promise.resolve();
  }

  async write({ summary, messages }: FrameOutcome): Promise<void> {
    if (!summary) return;
    const { classification, why = [], relevance, timing } = summary;
    this.onFrame();
    this.frames++;
    this.#handedOver.push(performance.now());
    const { samples } = this;
    if (!samples) return;
    samples.frames++;
    if (relevance) samples.explained++;
    samples.endToEnd.push(timing.totalMs);
    for (const { kind, body } of messages) samples.bytes[kind] += body.length;
    const { label } = classification.top[0]!;
    samples.labels.set(label, (samples.labels.get(label) ?? 0) + 1);
    for (const reason of why) samples.reasons.set(reason, (samples.reasons.get(reason) ?? 0) + 1);
  }

  verify(): Promise<boolean> {
    return Promise.resolve(true);
  }

  status(): SinkStatus {
    return { connected: true, buffered: 0, published: this.frames, errors: 0, dropped: 0 };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
