import { vi } from "vitest";
import type { Only, When } from "../../../src/config/choice.js";
import { configSchema, type SourceConfig, sourceSchema } from "../../../src/config/schema.js";
import type { Explainer, ExplainInput, Explanation } from "../../../src/explain/explanation.js";
import { explainEach } from "../../../src/explain/runtime/explain-each.js";
import { silentLogger } from "../../../src/log.js";
import type { FrameOutcome, MessageKind, OutMessage } from "../../../src/messages/message.js";
import { createMetrics } from "../../../src/metrics/metrics.js";
import type { OverlayRenderer, OverlayRequest, OverlayResult } from "../../../src/overlay/overlay.js";
import type { Sink } from "../../../src/sinks/sink.js";
import { defaultWarnings, type FrameSettings } from "../../../src/station/settings.js";
import { Station } from "../../../src/station/station.js";
import { FakeSource, labelOf } from "./fake-source.js";

/** Lets everything that is due now happen. */
export const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
export const after = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

const model = {
  name: "m",
  sha256: "0",
  labels: ["good", "crack", "dent"],
  inputWidth: 4,
  inputHeight: 4,
  channels: 3,
  fit: "stretch",
} as const;

/**
 * What the engine says of a frame: the class is the frame's own name, so that nothing can be mixed up. `seen`: what stands on
 * top instead.
 */
export function explanationOf(
  { memory, classifyOnly, scale }: ExplainInput,
  peak = 1,
  seen?: Explanation["top"],
): Explanation {
  const top = { index: 0, label: labelOf(memory), probability: 1 };
  const relevance = {
    ...{ method: "r-lrp", positive: 1, negative: 0, concentration: 0.5, regions: [], flows: true },
    ...{ peakShare: 0.1, border: 0, inside: undefined, insideMask: undefined, density: [1] },
    ...{ grid: { rows: 1, columns: 1, values: [1] }, heatmap: new Uint8Array(16), peak, scale: scale || peak },
    centroid: [2, 2] as [number, number],
  };
  return { top: seen ?? [top], target: { ...top, logit: 1 }, relevance: classifyOnly ? null : relevance };
}

/** A call that is answered by hand. */
export class Call<Q, A> {
  answer!: (answer: A) => void;
  fail!: (error: Error) => void;
  readonly answered: Promise<A>;
  constructor(readonly request: Q) {
    this.answered = new Promise((resolve, reject) => {
      this.answer = resolve;
      this.fail = reject;
    });
  }
}

/** An engine that answers when it is told to, with the real retries of batches that fail. */
export class SteppedExplainer implements Explainer {
  readonly model = model;
  readonly engine = "none";
  readonly device = "cpu";
  readonly fault = undefined;
  hasClassifier = false;
  closed = false;
  /** What stands on top of frames, by their names. */
  readonly seen = new Map<string, Explanation["top"]>();
  /** Every batch so far, the newest last. */
  readonly calls: Call<readonly ExplainInput[], Explanation[]>[] = [];

  explain = (batch: readonly ExplainInput[]): Promise<Explanation[]> => {
    const call = new Call<readonly ExplainInput[], Explanation[]>(batch);
    this.calls.push(call);
    return call.answered;
  };
  readonly explainEach = explainEach((batch) => this.explain(batch));

  /** Names of the frames of each batch. */
  get batches(): string[][] {
    return this.calls.map(({ request }) => request.map(({ memory }) => labelOf(memory)));
  }

  /** The same, of those that are to be explained and not only classified. */
  get explained(): string[][] {
    const wanted = this.calls.map(({ request }) => request.filter(({ classifyOnly }) => !classifyOnly));
    return wanted.map((batch) => batch.map(({ memory }) => labelOf(memory)));
  }

  /** Answers the nth batch. */
  async answer(nth: number, peak?: number): Promise<void> {
    const { request, answer } = this.calls[nth]!;
    answer(request.map((input) => explanationOf(input, peak, this.seen.get(labelOf(input.memory)))));
    await settled();
  }

  async fail(nth: number): Promise<void> {
    this.calls[nth]!.fail(new Error("the engine refuses"));
    await settled();
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

export class SteppedRenderer implements OverlayRenderer {
  readonly calls: Call<OverlayRequest, OverlayResult>[] = [];
  /** Pictures come at once, or when they are answered. */
  held = false;

  render(request: OverlayRequest): Promise<OverlayResult> {
    const call = new Call<OverlayRequest, OverlayResult>(request);
    this.calls.push(call);
    if (!this.held) void this.draw(this.calls.length - 1);
    return call.answered;
  }

  get drawn(): string[] {
    return this.calls.map(({ request }) => labelOf(request.memory));
  }

  async draw(nth: number): Promise<void> {
    const { request, answer } = this.calls[nth]!;
    const picture = (kind: "overlay" | "heatmap" | "original") =>
      request.want[kind] ? { [kind]: Buffer.from(`${kind} of ${labelOf(request.memory)}`) } : {};
    answer({ ...picture("overlay"), ...picture("heatmap"), ...picture("original"), milliseconds: 3 });
    await settled();
  }

  async close(): Promise<void> {}
}

export interface SinkOptions {
  kinds?: MessageKind[];
  /** It says itself, when `publish` is called, whether a message was published; else it settles nothing. */
  settles?: boolean;
}

/** Writes down what it is given; takes it at once, or when it is let. */
export class RecordingSink implements Sink {
  readonly name: string;
  readonly kinds: ReadonlySet<MessageKind>;
  readonly settles: boolean;
  readonly outcomes: FrameOutcome[] = [];
  readonly forgotten: string[] = [];
  readonly waiting: OutMessage[] = [];
  connected = true;
  looks = false;
  /** While there, writes wait for it; one that rejects makes them fail. */
  gate: Promise<void> | undefined;
  /** Messages behind the summaries, which it holds as well. */
  behind = 0;
  closed: Error | undefined | "well";
  lost: Error | undefined;
  #flushed: (() => void)[] = [];

  constructor(
    name: string,
    { kinds = ["summary", "overlay", "heatmap", "status"], settles = false }: SinkOptions = {},
  ) {
    this.name = name;
    this.kinds = new Set(kinds);
    this.settles = settles;
  }

  async connect(): Promise<void> {}
  async write(outcome: FrameOutcome): Promise<void> {
    this.outcomes.push(outcome);
    if (this.settles) this.waiting.push(...outcome.messages.filter(({ kind }) => kind === "summary"));
    await this.gate;
  }
  wantsOriginal = (): boolean => this.looks;
  forget(source: string): void {
    this.forgotten.push(source);
  }

  /** Publishes, or drops, the oldest summary that waits. */
  publish(published = true): void {
    this.waiting.shift()!.onSettled!(published);
    this.#look();
  }
  #look(): void {
    if (this.waiting.length + this.behind === 0) for (const resolve of this.#flushed.splice(0)) resolve();
  }
  publishBehind(): void {
    this.behind = 0;
    this.#look();
  }
  publishAll(): void {
    while (this.waiting.length > 0) this.publish();
  }

  async flushed(): Promise<void> {
    if (this.waiting.length + this.behind > 0) await new Promise<void>((resolve) => this.#flushed.push(resolve));
  }

  /** Names of the frames whose summaries came, in their order. */
  get came(): string[] {
    return this.outcomes.flatMap(({ summary }) => (summary ? [summary.classification.target.label] : []));
  }
  get statuses() {
    const bodies = this.outcomes.flatMap(({ messages }) => messages.filter(({ kind }) => kind === "status"));
    return bodies.map(({ body }) => JSON.parse(Buffer.from(body).toString()));
  }

  verify = () => Promise.resolve(true);
  status = () => ({
    connected: this.connected,
    buffered: this.waiting.length + this.behind,
    published: 0,
    errors: 0,
    dropped: 0,
  });
  async close(): Promise<void> {
    this.closed = this.lost ?? "well";
    while (this.waiting.length > 0) this.publish(false);
    if (this.lost) throw this.lost;
  }
}

export const configured = (name: string, more: Partial<SourceConfig> = {}): SourceConfig =>
  sourceSchema.parse({ name, url: "testsrc", ...more });

export interface StageOptions {
  /** Sources from the start. */
  sources?: string[];
  sinks?: RecordingSink[];
  maxBatch?: number;
  every?: number;
  when?: When;
  only?: Record<string, Only>;
}

/** A station all of whose surroundings are stepped by hand. Needs a fake clock. */
export function stage({
  sources = ["belt"],
  sinks = [new RecordingSink("all")],
  maxBatch = 8,
  every = 1,
  when,
  only = {},
}: StageOptions = {}) {
  const explainer = new SteppedExplainer();
  const renderer = new SteppedRenderer();
  const opened = new Map<string, FakeSource>();
  const lines: string[] = [];
  const say = (text: string): void => void lines.push(text);
  const settings = {
    current: {
      explainer,
      explain: { every, when: when ?? null },
      overlay: configSchema.shape.overlay.parse({}),
      warnings: defaultWarnings(),
    } as FrameSettings,
  };
  const metrics = createMetrics();
  const station = new Station({
    ...{ station: "line-1", batches: { maxBatch, maxWaitMs: 0 }, baseDir: "/", settings, renderer, sinks, metrics },
    only: new Map(Object.entries(only)),
    sources: sources.map((name) => configured(name)),
    log: { ...silentLogger, error: say, warn: say, info: say },
    open: (config, options, ledger) => {
      const source = new FakeSource(config, options, ledger);
      opened.set(config.name, source);
      return source;
    },
  });
  const source = (name = "belt"): FakeSource => opened.get(name)!;
  /** Of all sources. */
  const released = (): number => [...opened.values()].reduce((sum, { releases }) => sum + releases, 0);
  return { station, source, released, explainer, renderer, sink: sinks[0]!, sinks, lines, settings, metrics };
}

/** Starts a stage and lets each source give so many frames. */
export async function running(frames: Record<string, number>, options: StageOptions = {}) {
  const set = stage({ sources: Object.keys(frames), ...options });
  const ended = set.station.run();
  for (const [name, count] of Object.entries(frames)) set.source(name).give(count);
  await settled();
  return { ...set, ended };
}
