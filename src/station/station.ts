import {
  AsyncSubject,
  BehaviorSubject,
  delay,
  filter,
  firstValueFrom,
  lastValueFrom,
  type Observable,
  Subject,
  startWith,
  tap,
  timer,
} from "rxjs";
import type { Only } from "../config/choice.js";
import type { SourceConfig } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import { viewOf } from "../fit.js";
import type { Logger } from "../log.js";
import type { LedgerSnapshot } from "../messages/ledger.js";
import type { SourceStatus } from "../messages/summary.js";
import type { Metrics } from "../metrics/metrics.js";
import type { OverlayRenderer } from "../overlay/overlay.js";
import {
  type Batcher,
  type BatcherOptions,
  type Claim,
  createBatcher,
  type FrameBudget,
  Ledger,
  openSource,
  ShortageError,
  type VideoSource,
} from "../pipeline/index.js";
import type { Sink } from "../sinks/sink.js";
import { Delivery } from "./deliver.js";
import { frameFlow } from "./flow.js";
import { orUntil } from "./or-until.js";
import type { SettingsSource } from "./settings.js";
import { badEnd, nameTaken, stopping, unknownSource } from "./source-faults.js";
import { type SessionOptions, SourceSession } from "./source-session.js";
import { describeSource, StatusReporter } from "./statuses.js";

/** What does not change while a station runs. */
export interface StationSettings {
  /** Its name, part of every subject. */
  station: string;
  batches: Pick<BatcherOptions, "maxBatch" | "maxWaitMs" | "inFlight">;
  /** Each batch is of one source, and the sources do not wait for each other's. */
  bySource?: boolean;
  /** Frames that a source has in memory; default: as `openSource`. */
  slabs?: number;
  /** None: it goes on until it is stopped, for those that are added. */
  sources: readonly SourceConfig[];
  /** Folder that relative paths start from. */
  baseDir: string;
}

export interface StationParts extends StationSettings {
  settings: SettingsSource;
  renderer: OverlayRenderer;
  sinks: readonly Sink[];
  /** Which frames a sink takes, by its name; default: every frame. */
  only?: ReadonlyMap<string, Only>;
  metrics: Metrics;
  log: Logger;
  /** Default: none. */
  budget?: FrameBudget;
  /** Default: `openSource`. */
  open?: typeof openSource;
}

export interface AddOptions {
  admit?(): Promise<void>;
  /** It stands in the configuration, which was read anew. */
  isConfigured?: boolean;
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
/** What is given up by then leaves within this time, before the last statuses are told and the sinks closed. */
const GIVE_UP_MS = 100;
const STOP_FLUSH_MS = 4000;
/** So long for a removed source's last frames; beyond it those still queued are let go, and the rest settles later. */
const REMOVE_DRAIN_MS = 5000;
const MAX_SOURCES = 1000;

/** Sources → batches → explainer → overlays → sinks, every frame accounted for. */
export class Station {
  readonly #batcher: Batcher<SourceSession>;
  readonly #delivery: Delivery;
  readonly #statuses: StatusReporter;
  readonly #sessions = new Map<string, SourceSession>();
  readonly #removals = new Map<string, Promise<SourceStatus>>();
  readonly #total: Ledger;
  readonly #counted = new Subject<void>();
  /** Completes when every frame has left. */
  readonly #frames$: Observable<void>;
  /** The next source's epochs count from here at the earliest: no two of one name may share message ids. */
  #nextOpening = Date.now();
  /** Sources came or went at run time, or none was configured: it goes on until it is stopped. */
  #managed: boolean;
  readonly #stopping$ = new BehaviorSubject(false);
  readonly #faults: Error[] = [];
  /** The last batch is formed: no source can come any more. */
  #isOver = false;
  /** A stop can wait no longer for an engine that hangs or sinks that take nothing. */
  readonly #giveUp$ = new AsyncSubject<void>();

  constructor(private readonly parts: StationParts) {
    const { station, batches, sources, settings, renderer, sinks, only, metrics, log, bySource } = parts;
    this.#total = new Ledger(
      station,
      (_, outcome) => {
        metrics.stationFrame(outcome, this.#total.inFlight);
        this.#counted.next();
      },
      () => metrics.stationQueued(this.#total.inFlight, this.#total.queued),
    );
    this.#managed = sources.length === 0;
    const onError = (sink: Sink, error: Error): void => log.error(`sink ${sink.name}: ${error.message}`);
    this.#delivery = new Delivery(sinks, metrics, onError, only);
    this.#statuses = new StatusReporter({
      station,
      runStartedAt: this.#nextOpening,
      publish: (outcome) => this.#delivery.write(outcome),
      onChange: (source, state) => {
        this.#sessions.get(source.name)?.counts.state(state.state);
        const text = `source ${source.name}: ${state.state}${state.reason ? ` (${state.reason})` : ""}`;
        const bad = state.state === "failed" || state.state === "stalled" || state.state === "frozen";
        if (bad || this.#faultOf(source) !== undefined) log.warn(text);
        else if (state.state !== "connecting") log.info(text);
      },
    });
    this.#batcher = createBatcher<SourceSession>([], { ...batches, endless: () => this.#managed });
    const delivery = this.#delivery;
    const batches$ = this.#batcher.batches$.pipe(
      tap({
        complete: () => {
          this.#isOver = true;
        },
      }),
    );
    this.#frames$ = frameFlow(batches$, {
      ...{ station, settings, renderer, delivery, metrics, log, bySource },
      giveUp$: this.#giveUp$,
    });
    metrics.watchQueue("frames", () => this.#batcher.queued);
    for (const source of sources) this.#open(source);
  }

  get sources(): readonly VideoSource[] {
    return [...this.#sessions.values()].map((session) => session.source);
  }

  /** The sources as they are configured now. */
  get sourceConfigs(): readonly SourceConfig[] {
    return [...this.#sessions.values()].map((session) => session.config);
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
   * Opens one more source; `admit` is asked before each of its connections, and one that is not configured may not exceed the
   * limits of the station. That it cannot be reached is no error. Throws
   * a `VideoExplainerError` when its name is taken or the station is stopping, an `InputError` for an address of no known
   * kind.
   */
  add(config: SourceConfig, { admit, isConfigured = false }: AddOptions = {}): SourceStatus {
    const { name } = config;
    this.expectNew(name);
    const onClaim = (claim: Claim): void => this.#claim(name, claim, !isConfigured);
    const { source } = this.#open(config, { admit, onClaim });
    this.#managed = true;
    this.parts.log.info(`source ${name}: added`);
    return this.#describe(source);
  }

  /** Throws a `VideoExplainerError` when a source of this name cannot be added now. */
  expectNew(name: string): void {
    if (this.#isStopping || this.#isOver) throw stopping(`source ${name} cannot be added`);
    if (this.#removals.has(name)) throw nameTaken(name, "being removed");
    if (this.#sessions.has(name)) throw nameTaken(name, "there");
    if (this.#sessions.size >= MAX_SOURCES) {
      const text = `there are ${MAX_SOURCES} sources, which is the limit; remove one first`;
      throw new VideoExplainerError("too-many", text);
    }
  }

  /**
   * Ends a source for good and resolves to its last status, once its frames are accounted for; with a sink that is away,
   * some may be in flight still. Rejects with a `VideoExplainerError` when there is none of that name or the station is stopping.
   */
  async remove(name: string): Promise<SourceStatus> {
    if (this.#isStopping || this.#isOver) throw stopping(`source ${name} is being stopped as all are`);
    const session = this.#sessions.get(name);
    if (!session) throw unknownSource(name, [...this.#sessions.keys()]);
    this.#managed = true;
    let removal = this.#removals.get(name);
    if (!removal) {
      removal = this.#remove(session).finally(() => this.#removals.delete(name));
      this.#removals.set(name, removal);
    }
    return removal;
  }

  /** Runs until every source is over or `stop` is called, then flushes: resolves when all is delivered. */
  async run(): Promise<StationEnd> {
    const left = lastValueFrom(this.#frames$, { defaultValue: undefined });
    const flushed = () => orUntil(this.#stopping$.pipe(filter(Boolean)), this.#delivery.flushed(this.#noteAway));
    const deadline$ = new AsyncSubject<void>();
    this.#giveUp$.pipe(delay(GIVE_UP_MS)).subscribe(deadline$);
    await orUntil(deadline$, left);
    await flushed();
    const idle$ = this.#counted.pipe(
      startWith(undefined),
      filter(() => this.#total.inFlight + this.#total.queued === 0),
    );
    await orUntil(deadline$, firstValueFrom(idle$));
    // The last statuses tell the final ledgers.
    await orUntil(deadline$, this.#statuses.close());
    const faults = [...this.#faults, ...this.sources.flatMap((source) => this.#faultOf(source) ?? [])];
    await flushed();
    faults.push(...(await this.#delivery.close(STOP_FLUSH_MS)));
    // Closed sinks hold nobody up any more.
    await left;
    const { captured, explained } = this.total();
    return { faults, frames: captured, explained };
  }

  /**
   * Stops the sources; what they have queued is still explained and delivered, within the deadline. `fault`: why it
   * cannot go on, where it is not being stopped already: Ctrl-C ends the readers of a pipe too.
   */
  async stop(fault?: Error): Promise<void> {
    if (fault && !this.#isStopping) this.#faults.push(fault);
    this.#stopping$.next(true);
    setTimeout(() => {
      this.#giveUp$.next();
      this.#giveUp$.complete();
    }, STOP_DRAIN_MS).unref();
    await this.#batcher.stop(STOP_DRAIN_MS);
  }

  get #isStopping(): boolean {
    return this.#stopping$.value;
  }

  #noteAway = (sink: Sink): void => {
    const { buffered } = sink.status();
    this.parts.log.info(`every source is over; ${buffered} messages wait for ${sink.name} to come back`);
  };

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

  #open(config: SourceConfig, added: Pick<SessionOptions, "admit" | "onClaim"> = {}): SourceSession {
    const { name } = config;
    const { baseDir, settings, metrics, log, budget, slabs, open = openSource } = this.parts;
    const view = viewOf(settings.current.explainer.model);
    const openedAt = Math.max(this.#nextOpening, Date.now());
    this.#nextOpening = openedAt + 1;
    const session = new SourceSession(config, {
      ...{ ...view, baseDir, openedAt, open, slabs },
      counts: metrics.source(name),
      total: this.#total,
      onNote: (_, note) => log.info(`source ${name}: ${note}`),
      onClaim: (claim) => this.#claim(name, claim, false),
      ...added,
    });
    this.#sessions.set(name, session);
    this.#batcher.add(session);
    session.source.available$.subscribe({ complete: () => budget?.release(name) });
    this.#statuses.watch(session.source);
    return session;
  }

  async #remove(session: SourceSession): Promise<SourceStatus> {
    const { source, counts } = session;
    const { name } = source;
    await this.#batcher.remove(session);
    await orUntil(timer(REMOVE_DRAIN_MS), firstValueFrom(session.over$));
    source.discard("shutdown");
    const last = this.#describe(source);
    this.#statuses.unwatch(source);
    this.#sessions.delete(name);
    counts.forget();
    for (const sink of this.parts.sinks) sink.forget?.(name);
    this.parts.log.info(`source ${name}: removed`);
    return last;
  }

  #describe(source: VideoSource): SourceStatus {
    return describeSource(this.parts.station, source.name, source.status(), source.ledger);
  }

  #faultOf(source: VideoSource): Error | undefined {
    return this.#isStopping ? undefined : badEnd(source, this.#removals.has(source.name));
  }
}
