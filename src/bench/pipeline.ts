import { monitorEventLoopDelay } from "node:perf_hooks";
import type { When } from "../config/choice.js";
import type { NatsSinkConfig, SourceConfig } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import { createExplainer } from "../explain/runtime/explainer.js";
import type { ExplainerOptions } from "../explain/runtime/explainer-options.js";
import { type Logger, silentLogger } from "../log.js";
import type { MessageKind } from "../messages/message.js";
import { createMetrics } from "../metrics/metrics.js";
import type { OverlayStyle } from "../overlay/overlay.js";
import { createOverlayRenderer } from "../overlay/renderer.js";
import { createSink } from "../sinks/registry.js";
import type { Sink } from "../sinks/sink.js";
import { defaultWarnings, type FrameSettings } from "../station/settings.js";
import { Station, type StationSettings } from "../station/station.js";
import { benchChoice, type ChoiceFigures } from "./choice.js";
import { Collector, Samples } from "./collector.js";
import { type Percentiles, percentiles, rounded } from "./figures.js";
import { noFrames } from "./frames.js";
import { type Cpu, cpuNow, peakMemory } from "./resources.js";

/** Kernels, pools and connections are warm after these. */
const WARM_UP = { frames: 24, ms: 1000 };
const RESOLUTION_MS = 10;
const CONNECT_MS = 10_000;
const TICK_MS = 50;

/** Milliseconds by stage over the measured window. Means of `queue`, `overlay` and `publish` are a frame's. */
export interface StageFigures {
  /** From a frame's last byte to the begin of its batch. */
  queue: Percentiles | null;
  /** A batch, from hand-over to the engine to its results; a wait for the batch before is part of it. */
  explain: Percentiles | null;
  /** Drawing and encoding in the overlay's thread. */
  overlay: Percentiles | null;
  /** Until the sinks have accepted. */
  publish: Percentiles | null;
  /** Until NATS has acknowledged the summary, the overlay behind it in the queue; null without NATS. */
  acknowledged: Percentiles | null;
  /** From a frame's last byte to its hand-over to the sinks. */
  endToEnd: Percentiles | null;
}

export interface PipelineFigures {
  /** Paid once at start, in milliseconds: a warm model, a connected sink, the first frame published. */
  setup: { modelMs: number; sinkMs: number; firstFrameMs: number };
  /** Of the measured window alone. */
  seconds: number;
  frames: number;
  explained: number;
  framesPerSecond: number;
  meanBatch: number;
  stages: StageFigures;
  /** Of all threads and of ffmpeg; null where the system does not tell. NATS is not part of it. */
  cpuMsPerFrame: { total: number | null; own: number; decoder: number | null };
  memory: {
    /** Most that this process has had in RAM, set-up included. */
    peakRssBytes: number;
    startRssBytes: number;
    endRssBytes: number;
    decoderPeakRssBytes: number | null;
  };
  /** By how much timers of the event loop came late. */
  eventLoopDelay: { p50Ms: number; p99Ms: number; maxMs: number; method: string };
  bytesPerFrame: { summary: number; overlay: number; heatmap: number };
  /** Top classes by their share of the frames, the most frequent first, 3 at most. */
  topClasses: { label: string; share: number }[];
  /** Messages not yet acknowledged when the window closed; many mean that NATS was slower than the rest. */
  unacknowledged: number | null;
  /** Null where no choice was asked for. */
  choice: ChoiceFigures | null;
}

export interface PipelineOptions {
  station: string;
  source: SourceConfig;
  explainer: ExplainerOptions;
  overlay: OverlayStyle;
  batches: StationSettings["batches"];
  /** Where to publish, if anywhere. */
  nats: NatsSinkConfig | undefined;
  /** Of the measured window. */
  seconds: number;
  /** Where given, as many seconds more are measured with this choice of frames beside all of them, in turn. */
  when: When | null;
}

/** Runs a station on a looping film and measures a window of it, after a warm-up. */
export async function benchPipeline(options: PipelineOptions, stop: AbortSignal): Promise<PipelineFigures> {
  const { nats, overlay, batches, when } = options;
  const errors: string[] = [];
  const log: Logger = { ...silentLogger, error: (message) => void errors.push(message) };
  const startedAt = performance.now();
  const explainer = await createExplainer({ ...options.explainer, classifier: when !== null });
  const modelMs = performance.now() - startedAt;
  const renderer = createOverlayRenderer();
  let firstFrameAt: number | undefined;
  let window: Window | undefined;
  const collector = new Collector(() => {
    firstFrameAt ??= performance.now();
    window?.frame();
  });
  const metrics = collector.listenTo(createMetrics());
  const sinks: Sink[] = [collector];
  const publisher = nats && natsSink(options.station, nats, log, () => collector.acknowledged());
  let station: Station | undefined;
  let run: Promise<unknown> | undefined;
  const onStop = (): void => void station?.stop();
  try {
    if (publisher) {
      await connected(publisher);
      sinks.push(publisher);
    }
    const sinkMs = performance.now() - startedAt - modelMs;
    stop.throwIfAborted();
    const fixed = { station: options.station, batches, sources: [options.source], baseDir: "/" };
    const settings: { current: FrameSettings } = {
      current: { explainer, explain: { every: 1, when: null }, overlay, warnings: defaultWarnings() },
    };
    const running = new Station({ ...fixed, settings, renderer, sinks, metrics, log });
    station = running;
    stop.addEventListener("abort", onStop, { once: true });
    const source = running.sources[0]!;
    const begunAt = performance.now();
    run = running.run();
    let over = false;
    void run.then(
      () => {
        over = true;
      },
      () => {
        over = true;
      },
    );
    const until = async (enough: () => boolean): Promise<void> => {
      while (!enough() && !over && !stop.aborted) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      stop.throwIfAborted();
      if (over) throw noFrames(source);
    };
    await until(() => collector.frames >= WARM_UP.frames && performance.now() - begunAt >= WARM_UP.ms);
    const measure = async (seconds: number) => {
      const opened = new Window(() => source.pid);
      window = opened;
      collector.samples = opened.samples;
      await until(() => opened.elapsedMs >= seconds * 1000 && opened.samples.frames > 1);
      collector.samples = undefined;
      window = undefined;
      return { ...opened.close(), reasons: opened.samples.reasons };
    };
    const { reasons: _, ...measured } = await measure(options.seconds);
    const unacknowledged = publisher ? publisher.status().buffered : null;
    const choice =
      when &&
      (await benchChoice(when, options.seconds, async (explain, seconds) => {
        settings.current = { ...settings.current, explain };
        // Those on their way are explained as they were begun.
        const { captured } = running.total();
        await until(() => collector.frames >= captured);
        return measure(seconds);
      }));
    await running.stop();
    await run;
    if (errors.length > 0) throw new VideoExplainerError("bench", `the run was not clean: ${errors[0]}`);
    return {
      setup: {
        modelMs: rounded(modelMs, 1),
        sinkMs: rounded(sinkMs, 1),
        firstFrameMs: rounded(firstFrameAt! - begunAt, 1),
      },
      ...measured,
      unacknowledged,
      choice,
    };
  } finally {
    stop.removeEventListener("abort", onStop);
    await station?.stop();
    await run?.catch(() => {});
    if (!run) await publisher?.close(0);
    await renderer.close();
    await explainer.close();
  }
}

function natsSink(station: string, config: NatsSinkConfig, log: Logger, onSummary: () => void): Sink {
  const events = {
    onPublished: (kind: MessageKind) => kind === "summary" && onSummary(),
    onError: (error: Error) => log.error(error.message),
    onDropped: (kind: MessageKind) => kind === "summary" && onSummary(),
    onConnected: () => {},
  };
  return createSink(config, { station, baseDir: "/", log, events });
}

async function connected(sink: Sink): Promise<void> {
  await sink.connect();
  for (const until = performance.now() + CONNECT_MS; !sink.status().connected; ) {
    if (performance.now() > until)
      throw new VideoExplainerError("nats", `NATS cannot be published to: ${sink.status().reason ?? "no answer"}`);
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}

/** Opened when all is warm: counts from the next frame on, that one not included. */
class Window {
  readonly samples = new Samples();
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #startRss = process.memoryUsage.rss();
  readonly #startedAt = performance.now();
  readonly #cpu: Cpu;
  #lastAt = this.#startedAt;
  #firstAt: number | undefined;
  #frames = 0;

  constructor(private readonly decoder: () => number | undefined) {
    this.#cpu = cpuNow(decoder());
    this.#delay.enable();
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  frame(): void {
    this.#lastAt = performance.now();
    this.#firstAt ??= this.#lastAt;
    this.#frames++;
  }

  close(): Omit<PipelineFigures, "setup" | "unacknowledged" | "choice"> {
    this.#delay.disable();
    const cpu = cpuNow(this.decoder());
    const { samples } = this;
    const own = (cpu.own - this.#cpu.own) / this.#frames;
    const decoder =
      cpu.decoder === null || this.#cpu.decoder === null ? null : (cpu.decoder - this.#cpu.decoder) / this.#frames;
    // From frame to frame: n frames have n - 1 gaps.
    const seconds = (this.#lastAt - this.#firstAt!) / 1000;
    const late = (nanoseconds: number): number => rounded(Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS), 2);
    const stage = (name: string): Percentiles | null => percentiles(samples.stages.get(name) ?? []);
    const bytes = (total: number): number => Math.round(total / samples.frames);
    return {
      seconds: rounded(seconds),
      frames: this.#frames,
      explained: samples.explained,
      framesPerSecond: rounded((this.#frames - 1) / seconds, 2),
      meanBatch: rounded(samples.batches.reduce((sum, size) => sum + size, 0) / samples.batches.length, 2),
      stages: {
        queue: stage("queue"),
        explain: stage("explain"),
        overlay: stage("overlay"),
        publish: stage("publish"),
        acknowledged: stage("acknowledged"),
        endToEnd: percentiles(samples.endToEnd),
      },
      cpuMsPerFrame: {
        total: decoder === null ? null : rounded(own + decoder, 2),
        own: rounded(own, 2),
        decoder: decoder === null ? null : rounded(decoder, 2),
      },
      memory: {
        peakRssBytes: process.resourceUsage().maxRSS * 1024,
        startRssBytes: this.#startRss,
        endRssBytes: process.memoryUsage.rss(),
        decoderPeakRssBytes: peakMemory(this.decoder()),
      },
      eventLoopDelay: {
        p50Ms: late(this.#delay.percentile(50)),
        p99Ms: late(this.#delay.percentile(99)),
        maxMs: late(this.#delay.max),
        method: `perf_hooks.monitorEventLoopDelay, less its resolution of ${RESOLUTION_MS} ms`,
      },
      bytesPerFrame: {
        summary: bytes(samples.bytes.summary),
        overlay: bytes(samples.bytes.overlay),
        heatmap: bytes(samples.bytes.heatmap),
      },
      topClasses: [...samples.labels]
        .sort((a, b) => b[1] - a[1])
        .slice(0, 3)
        .map(([label, count]) => ({ label, share: rounded(count / samples.frames) })),
    };
  }
}
