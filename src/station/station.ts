import type { Config } from "../config/schema.js";
import { InputError, VideoExplainerError } from "../errors.js";
import type { Explainer, ExplainInput, Explanation } from "../explain/explanation.js";
import { InOrder } from "../in-order.js";
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
  /** One for each source that failed or was damaged and each sink that lost something. */
  faults: Error[];
  frames: number;
  explained: number;
}

/** When an explanation began and how long it took, in milliseconds of `performance.now()`. */
interface BatchTiming {
  startedAt: number;
  explainMs: number;
  size: number;
}

/** What is remembered of a source from frame to frame. */
interface Course {
  readonly ledger: Ledger;
  readonly scale: ScaleTracker;
  /** Frames that have come to be classified. */
  taken: number;
  /** Settles when all its frames so far are delivered: deliveries are chained, so that they leave in order. */
  delivered: Promise<void>;
}

const encoder = new TextEncoder();

/** Sources → batches → explainer → overlays → sinks, every frame accounted for. */
export class Station {
  readonly sources: readonly VideoSource[];
  readonly #batcher: Batcher;
  readonly #delivery: Delivery;
  readonly #statuses: StatusReporter;
  readonly #courses = new Map<string, Course>();
  readonly #explained = new InOrder();
  readonly #startedAt = Date.now();
  #stopping = false;
  #giveUp = (): void => {};
  /** Resolves when a stop can wait no longer for sinks that take nothing. */
  readonly #givenUp = new Promise<void>((resolve) => {
    this.#giveUp = resolve;
  });

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
        const bad = state.state === "failed" || state.state === "stalled" || state.state === "frozen";
        if (bad || this.#faultOf(source) !== undefined) log.warn(text);
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
      const opened = openSource(
        source,
        {
          ...view,
          baseDir: parts.baseDir,
          onRestart: (_, reason) => counts.restarted(reason),
          onNote: (name, note) => log.info(`source ${name}: ${note}`),
        },
        ledger,
      );
      this.#courses.set(source.name, {
        ledger,
        scale: new ScaleTracker(),
        taken: 0,
        delivered: Promise.resolve(),
      });
      return opened;
    });
    this.#batcher = createBatcher(this.sources, {
      maxBatch: config.engine.maxBatch,
      maxWaitMs: config.engine.maxWaitMs,
    });
    metrics.watchQueue("frames", () => this.#batcher.queued);
    for (const source of this.sources) this.#statuses.watch(source);
  }

  /** Runs until every source is over or `stop` is called, then flushes: resolves when all is delivered. */
  async run(): Promise<StationEnd> {
    await this.#batcher.forEach(async (frames) => {
      await this.#explain(frames);
    });
    const delivered = Promise.all([...this.#courses.values()].map((course) => course.delivered));
    await Promise.race([delivered, this.#givenUp]);
    await Promise.race([this.#statuses.close(), this.#givenUp]);
    const faults = this.sources.flatMap((source) => this.#faultOf(source) ?? []);
    await this.#delivery.flushed(
      () => this.#stopping,
      (sink) =>
        this.parts.log.info(
          `every source is over; ${sink.status().buffered} messages wait for ${sink.name} to come back`,
        ),
    );
    faults.push(...(await this.#delivery.close(STOP_FLUSH_MS)));
    // Closed sinks hold nobody up any more.
    await delivered;
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
    setTimeout(this.#giveUp, STOP_DRAIN_MS).unref();
    await this.#batcher.stop(STOP_DRAIN_MS);
  }

  /** Why a source's end is no good one: it failed, or ffmpeg complained of a film that is damaged or cut off. */
  #faultOf(source: VideoSource): Error | undefined {
    const { state, reason } = source.status();
    if (this.#stopping) return undefined;
    const why = reason?.replace(`Source ${source.name}: `, "").replace(/^[A-Z](?=[a-z]* )/, (c) => c.toLowerCase());
    if (state === "failed") return new VideoExplainerError("source-failed", `source ${source.name} failed: ${why}`);
    if (state !== "ended" || reason === null) return undefined;
    return new InputError("source-damaged", `source ${source.name} is damaged or cut off: ${why}`);
  }

  async #explain(frames: readonly Frame[]): Promise<void> {
    const { config, metrics, log } = this.parts;
    const startedAt = performance.now();
    const inputs = frames.map((frame) => {
      const course = this.#course(frame);
      return {
        memory: frame.memory,
        layout: frame.layout,
        // Not by its sequence: of a live source every frame with the right number may have been dropped.
        classifyOnly: course.taken++ % config.explain.every !== 0,
        scale: course.scale.scale,
      };
    });
    metrics.batch(frames.length);
    for (const frame of frames) metrics.stage("queue", (startedAt - frame.receivedAt) / 1000);
    // What is retried alone must not be overtaken by the next batch.
    const results = await this.#explained.next(this.#explainEach(inputs));
    const timing = { startedAt, explainMs: performance.now() - startedAt, size: frames.length };
    metrics.stage("explain", timing.explainMs / 1000);
    for (const [k, result] of results.entries()) {
      const frame = frames[k]!;
      if (!(result instanceof Error)) {
        this.#follow(frame, result, timing);
        continue;
      }
      log.error(`source ${frame.source}, frame ${frame.sequence} could not be explained: ${result.message}`);
      this.#course(frame).ledger.dropped("explain-error");
      frame.release();
    }
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
    const course = this.#course(frame);
    if (explanation.relevance) course.scale.add(explanation.relevance.peak);
    const drawn = this.#draw(frame, explanation);
    course.delivered = course.delivered.then(async () => {
      try {
        await this.#deliver(frame, explanation, timing, await drawn);
      } catch (error) {
        this.parts.log.error(`source ${frame.source}, frame ${frame.sequence}: ${(error as Error).message}`);
        course.ledger.dropped("explain-error");
      } finally {
        frame.release();
      }
    });
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
    const ledger = this.#course(frame).ledger;
    const counts = metrics.source(frame.source);
    if (relevance) {
      ledger.explained();
      counts.concentration(relevance.concentration);
    } else ledger.classified();
    counts.prediction(explanation.top[0]!.label);
    counts.lastFrame(frame.capturedAt);
    counts.endToEnd((performance.now() - frame.receivedAt) / 1000);
  }

  #course(frame: Frame): Course {
    return this.#courses.get(frame.source)!;
  }
}

/** SIGTERM leaves 10 s: so long for what is queued, and so long for the sinks. */
const STOP_DRAIN_MS = 4000;
const STOP_FLUSH_MS = 4000;

const rounded = (ms: number): number => Math.round(ms * 100) / 100;
