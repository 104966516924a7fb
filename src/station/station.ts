import type { Config } from "../config/schema.js";
import type { Explainer, ExplainInput, Explanation } from "../explain/explanation.js";
import type { Logger } from "../log.js";
import type { Metrics } from "../metrics/metrics.js";
import type { OverlayRenderer, OverlayResult } from "../overlay/overlay.js";
import { type Batcher, createBatcher, type Frame, Ledger, openSource, type VideoSource } from "../pipeline/index.js";
import { epochId, makeMessage } from "../sinks/headers.js";
import type { OutMessage, Sink } from "../sinks/sink.js";
import { Delivery } from "./deliver.js";
import { ScaleTracker } from "./scale.js";
import { StatusReporter } from "./statuses.js";
import { summarise } from "./summarise.js";

export interface StationParts {
  config: Config;
  baseDir: string;
  explainer: Explainer;
  renderer: OverlayRenderer;
  sinks: readonly Sink[];
  metrics: Metrics;
  log: Logger;
}

/** How a run came to its end. */
export interface StationEnd {
  /** One sentence for each source that failed and each sink that lost something. */
  faults: string[];
  frames: number;
  explained: number;
}

/** When an explanation began and how long it took, in milliseconds of `performance.now()`. */
interface BatchTiming {
  startedAt: number;
  explainMs: number;
  size: number;
}

const encoder = new TextEncoder();

/** Sources → batches → explainer → overlays → sinks, every frame accounted for. */
export class Station {
  readonly sources: readonly VideoSource[];
  readonly #batcher: Batcher;
  readonly #delivery: Delivery;
  readonly #statuses: StatusReporter;
  readonly #scales = new Map<string, ScaleTracker>();
  /** Deliveries of a source are chained, so that its frames leave in order. */
  readonly #tails = new Map<string, Promise<void>>();
  /** Settles when all batches so far are explained. */
  #explained: Promise<unknown> = Promise.resolve();
  readonly #startedAt = Date.now();
  #stopping = false;

  constructor(private readonly parts: StationParts) {
    const { config, metrics, log, explainer } = parts;
    this.#delivery = new Delivery(parts.sinks, metrics, (sink, error) =>
      log.error(`sink ${sink.name}: ${error.message}`),
    );
    this.#statuses = new StatusReporter({
      station: config.station,
      runStartedAt: this.#startedAt,
      publish: (outcome) => this.#delivery.write(outcome),
      onChange: (source, state) => {
        metrics.source(source.name).state(state.state);
        const text = `source ${source.name}: ${state.state}${state.reason ? ` (${state.reason})` : ""}`;
        if (state.state === "failed" || state.state === "stalled" || state.state === "frozen") log.warn(text);
        else if (state.state !== "connecting") log.info(text);
      },
    });
    const view = {
      inputWidth: explainer.model.inputWidth,
      inputHeight: explainer.model.inputHeight,
      fit: explainer.model.fit,
    };
    this.sources = config.sources.map((source) => {
      const counts = metrics.source(source.name);
      const ledger = new Ledger(source.name, (_, what, reason) =>
        what === "dropped" ? counts.dropped(reason!) : counts[what](),
      );
      return openSource(
        source,
        { ...view, baseDir: parts.baseDir, onRestart: (_, reason) => counts.restarted(reason) },
        ledger,
      );
    });
    this.#batcher = createBatcher(this.sources, {
      maxBatch: config.engine.maxBatch,
      maxWaitMs: config.engine.maxWaitMs,
    });
    metrics.watchQueue("frames", () => this.#batcher.queued);
    for (const source of this.sources) this.#statuses.watch(source);
  }

  /** Runs until every source is over or `stop` is called, then flushes: resolves when all is delivered. */
  async run(flushMs: number): Promise<StationEnd> {
    await this.#batcher.forEach(async (frames) => {
      await this.#explain(frames);
    });
    await Promise.all(this.#tails.values());
    await this.#statuses.close();
    const faults = this.sources.flatMap((source) => {
      const { state, reason } = source.status();
      return state === "failed" && !this.#stopping
        ? [`source ${source.name} failed: ${reason ?? "no reason given"}`]
        : [];
    });
    const closing = await Promise.allSettled(
      this.parts.sinks.map((sink) => sink.close(this.#stopping ? STOP_FLUSH_MS : flushMs)),
    );
    for (const result of closing)
      if (result.status === "rejected")
        faults.push(result.reason instanceof Error ? result.reason.message : String(result.reason));
    const ledgers = this.sources.map((s) => s.ledger.snapshot());
    return {
      faults,
      frames: ledgers.reduce((sum, l) => sum + l.captured, 0),
      explained: ledgers.reduce((sum, l) => sum + l.explained, 0),
    };
  }

  /** Stops the sources; what they have queued is still explained and delivered, within the deadline. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#batcher.stop(STOP_DRAIN_MS);
  }

  async #explain(frames: readonly Frame[]): Promise<void> {
    const { config, metrics, log } = this.parts;
    const startedAt = performance.now();
    const inputs = frames.map((frame) => ({
      memory: frame.memory,
      layout: frame.layout,
      classifyOnly: frame.sequence % config.explain.every !== 0,
      scale: this.#scaleOf(frame.source).scale,
    }));
    metrics.batch(frames.length);
    for (const frame of frames) metrics.stage("queue", (startedAt - frame.receivedAt) / 1000);
    const before = this.#explained;
    const results = this.#explainEach(inputs);
    // What is retried alone must not be overtaken by the next batch.
    this.#explained = Promise.all([before, results]);
    await this.#explained;
    const timing = { startedAt, explainMs: performance.now() - startedAt, size: frames.length };
    metrics.stage("explain", timing.explainMs / 1000);
    (await results).forEach((result, k) => {
      const frame = frames[k]!;
      if (!(result instanceof Error)) return this.#follow(frame, result, timing);
      log.error(`source ${frame.source}, frame ${frame.sequence} could not be explained: ${result.message}`);
      this.#ledger(frame).dropped("explain-error");
      frame.release();
    });
  }

  /** A frame that fails costs that frame: when a batch fails, each of its frames is tried alone. */
  async #explainEach(inputs: readonly ExplainInput[]): Promise<(Explanation | Error)[]> {
    const { explainer } = this.parts;
    try {
      return await explainer.explain(inputs);
    } catch (error) {
      if (inputs.length === 1) return [error instanceof Error ? error : new Error(String(error))];
      return (await Promise.all(inputs.map((input) => this.#explainEach([input])))).flat();
    }
  }

  /** Draws at once, delivers behind the frame before it. */
  #follow(frame: Frame, explanation: Explanation, timing: BatchTiming): void {
    if (explanation.relevance) this.#scaleOf(frame.source).add(explanation.relevance.peak);
    const drawn = this.#draw(frame, explanation);
    const before = this.#tails.get(frame.source) ?? Promise.resolve();
    const delivered = before.then(async () => {
      try {
        await this.#deliver(frame, explanation, timing, await drawn);
      } catch (error) {
        this.parts.log.error(`source ${frame.source}, frame ${frame.sequence}: ${(error as Error).message}`);
        this.#ledger(frame).dropped("explain-error");
      } finally {
        frame.release();
      }
    });
    this.#tails.set(frame.source, delivered);
  }

  /** A picture that cannot be drawn costs that picture, not the summary. */
  async #draw(frame: Frame, explanation: Explanation): Promise<OverlayResult | undefined> {
    const want = {
      overlay: explanation.relevance !== null && this.#delivery.wants("overlay"),
      heatmap: explanation.relevance !== null && this.#delivery.wants("heatmap"),
      original: this.#delivery.wantsOriginal(frame.source),
    };
    if (!want.overlay && !want.heatmap && !want.original) return undefined;
    try {
      const result = await this.parts.renderer.render({
        memory: frame.memory,
        layout: frame.layout,
        heatmap: explanation.relevance?.heatmap ?? null,
        style: this.parts.config.overlay,
        caption: explanation.target,
        want,
      });
      this.parts.metrics.stage("overlay", result.milliseconds / 1000);
      return result;
    } catch (error) {
      this.parts.log.error(`source ${frame.source}, frame ${frame.sequence}: ${(error as Error).message}`);
      return undefined;
    }
  }

  async #deliver(
    frame: Frame,
    explanation: Explanation,
    timing: BatchTiming,
    drawn: OverlayResult | undefined,
  ): Promise<void> {
    const { config, explainer, metrics } = this.parts;
    const { relevance } = explanation;
    const parts = {
      station: config.station,
      source: frame.source,
      epoch: epochId(this.#startedAt, frame.epoch),
      sequence: frame.sequence,
      time: new Date(frame.capturedAt).toISOString(),
      whenFull: frame.policy === "every-frame" ? ("wait" as const) : ("drop" as const),
    };
    const headers = relevance ? { "Relevance-Scale": String(relevance.scale) } : undefined;
    const summaryMessage = makeMessage({ ...parts, kind: "summary", body: new Uint8Array() });
    const now = performance.now();
    const summary = summarise({
      id: summaryMessage.id,
      station: config.station,
      frame,
      model: explainer.model,
      engine: explainer.engine,
      explanation,
      timing: {
        queueMs: rounded(timing.startedAt - frame.receivedAt),
        explainMs: rounded(timing.explainMs),
        overlayMs: rounded(drawn?.milliseconds ?? 0),
        totalMs: rounded(now - frame.receivedAt),
        batchSize: timing.size,
      },
    });
    const messages: OutMessage[] = [{ ...summaryMessage, body: encoder.encode(JSON.stringify(summary)) }];
    if (drawn?.overlay) messages.push(makeMessage({ ...parts, kind: "overlay", body: drawn.overlay, headers }));
    if (drawn?.heatmap) messages.push(makeMessage({ ...parts, kind: "heatmap", body: drawn.heatmap, headers }));
    await this.#delivery.write({
      source: frame.source,
      summary,
      messages,
      original: drawn?.original,
      placement: frame.layout.placement,
    });
    const ledger = this.#ledger(frame);
    const counts = metrics.source(frame.source);
    if (relevance) {
      ledger.explained();
      counts.concentration(relevance.concentration);
    } else ledger.classified();
    counts.prediction(explanation.top[0]!.label);
    counts.lastFrame(frame.capturedAt);
    counts.endToEnd((performance.now() - frame.receivedAt) / 1000);
  }

  #ledger(frame: Frame): Ledger {
    return this.sources.find((s) => s.name === frame.source)!.ledger;
  }

  #scaleOf(source: string): ScaleTracker {
    let tracker = this.#scales.get(source);
    if (!tracker) {
      tracker = new ScaleTracker();
      this.#scales.set(source, tracker);
    }
    return tracker;
  }
}

/** SIGTERM leaves 10 s: so long for what is queued, and so long for the sinks. */
const STOP_DRAIN_MS = 4000;
const STOP_FLUSH_MS = 4000;

const rounded = (ms: number): number => Math.round(ms * 100) / 100;
