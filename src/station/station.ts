import { setTimeout as sleep } from "node:timers/promises";
import type { Config, SourceConfig } from "../config/schema.js";
import { InputError, VideoExplainerError } from "../errors.js";
import type { Explainer } from "../explain/explanation.js";
import type { Logger } from "../log.js";
import type { SourceStatus } from "../messages/summary.js";
import type { Metrics } from "../metrics/metrics.js";
import type { OverlayRenderer } from "../overlay/overlay.js";
import {
  type Batcher,
  type Claim,
  createBatcher,
  type FrameBudget,
  Ledger,
  type LedgerSnapshot,
  ShortageError,
  type VideoSource,
} from "../pipeline/index.js";
import type { Sink } from "../sinks/sink.js";
import { Course, type CourseOptions } from "./course.js";
import { Delivery } from "./deliver.js";
import { type FlowSettings, FrameFlow } from "./flow.js";
import { describeSource, StatusReporter } from "./statuses.js";

export interface StationParts {
  config: Config;
  baseDir: string;
  explainer: Explainer;
  renderer: OverlayRenderer;
  sinks: readonly Sink[];
  metrics: Metrics;
  log: Logger;
  /** Default: none. */
  budget?: FrameBudget;
}

/** How a run came to its end. */
export interface StationEnd {
  /** One for each source that failed or was damaged and each sink that lost something. */
  faults: Error[];
  frames: number;
  explained: number;
}

/** SIGTERM leaves 10 s: so long for what is queued, and so long for the sinks. */
const STOP_DRAIN_MS = 4000;
const STOP_FLUSH_MS = 4000;
/** So long for a removed source's last frames; beyond it those still queued are let go, and the rest settles later. */
const REMOVE_DRAIN_MS = 5000;
const MAX_SOURCES = 1000;

/** Sources → batches → explainer → overlays → sinks, every frame accounted for. */
export class Station {
  readonly #batcher: Batcher;
  readonly #delivery: Delivery;
  readonly #statuses: StatusReporter;
  readonly #flow: FrameFlow;
  readonly #courses = new Map<string, Course>();
  readonly #removals = new Map<string, Promise<SourceStatus>>();
  readonly #total: Ledger;
  /** The next source's epochs count from here at the earliest: no two of one name may share message ids. */
  #nextOpening = Date.now();
  /** Sources came or went at run time, or none was configured: it goes on until it is stopped. */
  #managed: boolean;
  #onIdle = (): void => {};
  #stopping = false;
  readonly #faults: Error[] = [];
  /** The last batch is done: no source can come any more. */
  #isOver = false;
  #giveUp = (): void => {};
  /** Resolves when a stop can wait no longer for sinks that take nothing. */
  readonly #givenUp = new Promise<void>((resolve) => {
    this.#giveUp = resolve;
  });

  constructor(private readonly parts: StationParts) {
    const { config, metrics, log } = parts;
    this.#total = new Ledger(config.station, (_, outcome) => {
      metrics.stationFrame(outcome, this.#total.inFlight);
      if (this.#total.inFlight === 0) this.#onIdle();
    });
    this.#managed = config.sources.length === 0;
    this.#delivery = new Delivery(parts.sinks, metrics, (sink, error) =>
      log.error(`sink ${sink.name}: ${error.message}`),
    );
    this.#flow = new FrameFlow(
      {
        station: config.station,
        renderer: parts.renderer,
        delivery: this.#delivery,
        metrics,
        log,
        course: (source) => this.#courses.get(source)!,
      },
      { explainer: parts.explainer, every: config.explain.every, overlay: config.overlay },
    );
    this.#statuses = new StatusReporter({
      station: config.station,
      runStartedAt: this.#nextOpening,
      publish: (outcome) => this.#delivery.write(outcome),
      onChange: (source, state) => {
        this.#courses.get(source.name)?.counts.state(state.state);
        const text = `source ${source.name}: ${state.state}${state.reason ? ` (${state.reason})` : ""}`;
        const bad = state.state === "failed" || state.state === "stalled" || state.state === "frozen";
        if (bad || this.#faultOf(source) !== undefined) log.warn(text);
        else if (state.state !== "connecting") log.info(text);
      },
    });
    this.#batcher = createBatcher([], {
      maxBatch: config.engine.maxBatch,
      maxWaitMs: config.engine.maxWaitMs,
      endless: () => this.#managed,
    });
    metrics.watchQueue("frames", () => this.#batcher.queued);
    for (const source of config.sources) this.#open(source);
  }

  get sources(): readonly VideoSource[] {
    return [...this.#courses.values()].map((course) => course.source);
  }

  /** The sources as they are configured now. */
  get sourceConfigs(): readonly SourceConfig[] {
    return [...this.#courses.values()].map((course) => course.config);
  }

  /** What frames are explained and drawn with from now on. */
  get settings(): FlowSettings {
    return this.#flow.settings;
  }
  set settings(settings: FlowSettings) {
    this.#flow.settings = settings;
  }

  /** Frames of all sources since the start, removed ones included. */
  total(): LedgerSnapshot {
    return this.#total.snapshot();
  }

  /** Every source as it is now. */
  statuses(): SourceStatus[] {
    return this.sources.map((source) => this.#describe(source));
  }

  /**
   * Opens one more source; `admit` is asked before each of its connections. That it cannot be reached is no error. Throws
   * a `VideoExplainerError` when its name is taken or the station is stopping, an `InputError` for an address of no known
   * kind.
   */
  add(config: SourceConfig, admit?: () => Promise<void>): SourceStatus {
    const { name } = config;
    this.expectNew(name);
    const onClaim = (claim: Claim): void => this.#claim(name, claim, true);
    const course = this.#open(config, { admit, onClaim });
    this.#managed = true;
    this.parts.log.info(`source ${name}: added`);
    return this.#describe(course.source);
  }

  /** Throws a `VideoExplainerError` when a source of this name cannot be added now. */
  expectNew(name: string): void {
    if (this.#stopping || this.#isOver) throw stopping(`source ${name} cannot be added`);
    if (this.#removals.has(name)) {
      throw new VideoExplainerError("name-taken", `source ${name} is still being removed; add it when that is done`);
    }
    if (this.#courses.has(name)) {
      throw new VideoExplainerError(
        "name-taken",
        `there is a source ${name} already; give it another name, or remove that first`,
      );
    }
    if (this.#courses.size >= MAX_SOURCES) {
      throw new VideoExplainerError(
        "too-many",
        `there are ${MAX_SOURCES} sources, which is the limit; remove one first`,
      );
    }
  }

  /**
   * Ends a source for good and resolves to its last status, once its frames are accounted for; with a sink that is away,
   * some may be in flight still. Rejects with a `VideoExplainerError` when there is none of that name or the station is stopping.
   */
  async remove(name: string): Promise<SourceStatus> {
    if (this.#stopping || this.#isOver) throw stopping(`source ${name} is being stopped as all are`);
    const course = this.#courses.get(name);
    if (!course) throw unknownSource(name, [...this.#courses.keys()]);
    this.#managed = true;
    let removal = this.#removals.get(name);
    if (!removal) {
      removal = this.#remove(course).finally(() => this.#removals.delete(name));
      this.#removals.set(name, removal);
    }
    return removal;
  }

  /** Runs until every source is over or `stop` is called, then flushes: resolves when all is delivered. */
  async run(): Promise<StationEnd> {
    const working = this.#batcher.forEach(async (frames) => {
      await this.#flow.take(frames);
    });
    // An engine that hangs must not keep the sinks from being flushed.
    await Promise.race([working, this.#givenUp]);
    this.#isOver = true;
    const awayNote = (sink: Sink): void =>
      this.parts.log.info(
        `every source is over; ${sink.status().buffered} messages wait for ${sink.name} to come back`,
      );
    const delivered = Promise.all([...this.#courses.values()].map((course) => course.delivered));
    await Promise.race([delivered, this.#givenUp]);
    // The last statuses tell the final ledgers.
    await this.#delivery.flushed(() => this.#stopping, awayNote);
    await Promise.race([this.#idle(), this.#givenUp]);
    await Promise.race([this.#statuses.close(), this.#givenUp]);
    const faults = [...this.#faults, ...this.sources.flatMap((source) => this.#faultOf(source) ?? [])];
    await this.#delivery.flushed(() => this.#stopping, awayNote);
    faults.push(...(await this.#delivery.close(STOP_FLUSH_MS)));
    // Closed sinks hold nobody up any more.
    await delivered;
    const { captured, explained } = this.total();
    return { faults, frames: captured, explained };
  }

  /**
   * Stops the sources; what they have queued is still explained and delivered, within the deadline. `fault`: why it
   * cannot go on, where it is not being stopped already: Ctrl-C ends the readers of a pipe too.
   */
  async stop(fault?: Error): Promise<void> {
    if (fault && !this.#stopping) this.#faults.push(fault);
    this.#stopping = true;
    setTimeout(this.#giveUp, STOP_DRAIN_MS).unref();
    await this.#batcher.stop(STOP_DRAIN_MS);
  }

  /** Resolves when no frame of any source is on its way. */
  #idle(): Promise<void> {
    if (this.#total.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** A source that is added at run time must not exceed the budget; one that is configured may, and it is said. */
  #claim(name: string, claim: Claim, added: boolean): void {
    const { budget, log } = this.parts;
    const excess = budget?.excess(name, claim);
    if (excess && added) {
      throw new ShortageError("its decoder", `${excess}; it waits until others are gone`);
    }
    const isNew = budget?.claim(name, claim);
    if (excess && isNew) {
      log.warn(`source ${name}: ${excess}; make its width and height or its fps smaller, or raise that limit`);
    }
  }

  #open(config: SourceConfig, added: Pick<CourseOptions, "admit" | "onClaim"> = {}): Course {
    const { baseDir, metrics, log } = this.parts;
    const { inputWidth, inputHeight, fit } = this.settings.explainer.model;
    const openedAt = Math.max(this.#nextOpening, Date.now());
    this.#nextOpening = openedAt + 1;
    const counts = metrics.source(config.name);
    const total = this.#total;
    const onNote = (name: string, note: string): void => log.info(`source ${name}: ${note}`);
    const view = { inputWidth, inputHeight, fit };
    const onClaim = (claim: Claim): void => this.#claim(config.name, claim, false);
    const course = new Course(config, { ...view, baseDir, openedAt, counts, total, onNote, onClaim, ...added });
    this.#courses.set(config.name, course);
    this.#batcher.add(course.source);
    course.source.available$.subscribe({ complete: () => this.parts.budget?.release(config.name) });
    this.#statuses.watch(course.source);
    return course;
  }

  async #remove(course: Course): Promise<SourceStatus> {
    const { name } = course.config;
    // One that ended by itself has left the batches already.
    if (this.#batcher.sources.includes(course.source)) await this.#batcher.remove(name);
    else await course.source.stop();
    const late = sleep(REMOVE_DRAIN_MS, undefined, { ref: false }).then(() => course.source.discard("shutdown"));
    await Promise.race([course.drained(), late]);
    const last = this.#describe(course.source);
    this.#statuses.unwatch(course.source);
    this.#courses.delete(name);
    course.counts.forget();
    for (const sink of this.parts.sinks) sink.forget?.(name);
    this.parts.log.info(`source ${name}: removed`);
    return last;
  }

  #describe(source: VideoSource): SourceStatus {
    return describeSource(this.parts.config.station, source.name, source.status(), source.ledger);
  }

  /** Why a source's end is no good one: it failed, or ffmpeg complained of a film that is damaged or cut off. */
  #faultOf(source: VideoSource): Error | undefined {
    const { state, reason } = source.status();
    if (this.#stopping) return undefined;
    if (state === "failed") return new VideoExplainerError("source-failed", `source ${source.name} failed: ${reason}`);
    if (state !== "ended" || reason === null || this.#removals.has(source.name)) return undefined;
    return new InputError("source-damaged", `source ${source.name} is damaged or cut off: ${reason}`);
  }
}

const stopping = (what: string): Error =>
  new VideoExplainerError("stopping", `the station is stopping: ${what}; ask the next one`);

function unknownSource(name: string, known: readonly string[]): Error {
  const some = known.slice(0, 8).join(", ") + (known.length > 8 ? " …" : "");
  return new VideoExplainerError("unknown-source", `there is no source ${name}; there are ${some || "none"}`);
}
