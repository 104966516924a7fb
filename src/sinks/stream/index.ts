import { resolve } from "node:path";
import { type StreamSinkConfig, sinkName } from "../../config/schema.js";
import { schemeOf, streamUrlOf } from "../../config/stream-url.js";
import { VideoExplainerError } from "../../errors.js";
import type { FrameOutcome, MessageKind } from "../../messages/message.js";
import type { SourceStateName } from "../../messages/summary.js";
import { RateLimitedLog } from "../../rate-limited-log.js";
import { learnSecrets, redact, redactWhole } from "../../redact.js";
import { modesOf } from "../private-files.js";
import type { Sink, SinkContext, SinkStatus } from "../sink.js";
import { prepareFolder } from "./hls-folder.js";
import { SourceStream, type StreamEvents } from "./source-stream.js";

const BEAT_MS = 250;
/** A removed source's stream ends within this time, by force after it. */
const CLOSE_MS = 4_000;
const KINDS: ReadonlySet<MessageKind> = new Set<MessageKind>(["overlay"]);
/** In these a source gives frames; in others, and where none is told, its stream ends after the last picture. */
const SENDING: ReadonlySet<SourceStateName> = new Set<SourceStateName>(["live", "frozen"]);

/**
 * Pushes the overlays of each source as H.264 through a process of ffmpeg: to an RTSP, RTMP or SRT server, or into a folder as HLS.
 * A live source never waits for its stream: what it cannot take is dropped and counted. A film waits while its stream can be sent, and
 * no longer. Each is begun again for ever, on its own.
 */
export const createStreamSink = (config: StreamSinkConfig, context: SinkContext): Sink =>
  new StreamSink(config, context);

class StreamSink implements Sink {
  readonly name: string;
  readonly kinds = KINDS;
  readonly #streams = new Map<string, SourceStream>();
  /** Of removed sources, the ends of their streams until they have come: two of one name would push to one place. */
  readonly #ending = new Map<string, Promise<void>>();
  readonly #states = new Map<string, SourceStateName>();
  /** Of each stream that is away, why. */
  readonly #away = new Map<string, string>();
  readonly #rarely = new RateLimitedLog();
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;
  #counts = { published: 0, errors: 0, dropped: 0 };

  constructor(
    private readonly config: StreamSinkConfig,
    private readonly context: SinkContext,
  ) {
    this.name = sinkName(config);
  }

  async connect(): Promise<void> {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#timer = setInterval(() => {
      for (const [source, stream] of this.#streams) stream.beat(SENDING.has(this.#states.get(source) ?? "ended"));
    }, BEAT_MS);
    this.#timer.unref();
    this.context.events.onConnected(true);
  }

  wantsOverlay(source: string): boolean {
    return this.#streamOf(source) !== undefined;
  }

  async write({ source, status, summary, messages }: FrameOutcome): Promise<void> {
    if (status) this.#states.set(source, status.state);
    if (!summary) return;
    for (const { kind, body, time, epoch, whenFull } of messages) {
      if (kind !== "overlay") continue;
      const stream = this.#streamOf(source);
      if (!stream) this.#drop(this.#isOpen ? "not-streamed" : "closed");
      else {
        const { width, height } = summary.frame;
        const isLive = whenFull === "drop";
        await stream.offer({ jpeg: body, at: Date.parse(time), epoch, isLive, width, height });
      }
    }
  }

  forget(source: string): void {
    const stream = this.#streams.get(source);
    this.#gone(source);
    this.#states.delete(source);
    if (!stream) return;
    const ending = stream.close(CLOSE_MS).finally(() => {
      if (this.#ending.get(source) === ending) this.#ending.delete(source);
    });
    this.#ending.set(source, ending);
  }

  async verify(): Promise<boolean> {
    return this.#isOpen && this.#away.size === 0;
  }

  status(): SinkStatus {
    const buffered = [...this.#streams.values()].reduce((sum, stream) => sum + stream.buffered, 0);
    const [reason] = this.#away.values();
    return { connected: this.#isOpen && reason === undefined, reason, buffered, ...this.#counts };
  }

  async flushed(): Promise<void> {
    await Promise.all([...this.#streams.values()].map((stream) => stream.flushed()));
  }

  async close(deadlineMs: number): Promise<void> {
    this.#isOpen = false;
    clearInterval(this.#timer);
    const before = this.#counts.dropped;
    await Promise.all([...this.#streams.values()].map((stream) => stream.close(deadlineMs)));
    await Promise.all(this.#ending.values());
    this.#streams.clear();
    const lost = this.#counts.dropped - before;
    if (lost === 0) return;
    throw new VideoExplainerError(
      "stream-lost",
      `${lost} overlay ${lost === 1 ? "picture was" : "pictures were"} not taken within ${deadlineMs / 1000} s by where ${this.name} pushes to, and lost`,
    );
  }

  /** The stream of a source; undefined of one that has none. */
  #streamOf(source: string): SourceStream | undefined {
    const { sources, streams: limit } = this.config;
    if (!this.#isOpen || (sources && !sources.includes(source))) return undefined;
    const found = this.#streams.get(source);
    if (found) return found;
    if (this.#streams.size >= limit) {
      this.#rarely.happened("streams", () =>
        this.context.log.warn(
          `${this.name}: source ${source} is not streamed, since ${limit} streams are the limit; raise streams, or name in sources what shall be`,
        ),
      );
      return undefined;
    }
    const made = this.#open(source);
    this.#streams.set(source, made);
    return made;
  }

  #open(source: string): SourceStream {
    const { encoder, maxKilobits, mode, hls } = this.config;
    const url = streamUrlOf(this.config.url, this.context.station, source);
    learnSecrets({ url });
    const events = this.#eventsOf(source, redactWhole(url));
    const before = this.#ending.get(source);
    if (schemeOf(url) !== undefined) {
      const target = async () => {
        await before;
        return { kind: "network" as const, url };
      };
      return new SourceStream({ encoder, maxKilobits, mask: redact, target, events });
    }
    const folder = resolve(this.context.baseDir, url);
    const target = async (goesOn: boolean) => {
      await before;
      await prepareFolder(folder, modesOf(mode), goesOn);
      return { kind: "hls" as const, folder, ...hls, goesOn };
    };
    return new SourceStream({ encoder, maxKilobits, mask: redact, target, events });
  }

  #eventsOf(source: string, shown: string): StreamEvents {
    const { events, log } = this.context;
    let isSaid = true;
    return {
      onPublished: () => {
        this.#counts.published++;
        events.onPublished("overlay");
      },
      onDropped: (reason) => this.#drop(reason),
      onRestarted: () => events.onRestarted?.(),
      onConnected: () => {
        if (isSaid) log.info(`${this.name}: source ${source} goes to ${shown}`);
        isSaid = false;
        this.#back(source);
      },
      onAway: (why, isOrdinary) => {
        const text = `source ${source} cannot go to ${shown}: ${why}`;
        this.#counts.errors++;
        events.onError(new VideoExplainerError("stream", text));
        const isFirst = this.#away.size === 0;
        this.#away.set(source, text);
        if (isFirst) events.onConnected(false, text);
        if (isOrdinary) return;
        this.#rarely.happened(text, () => {
          isSaid = true;
          log.warn(`${this.name}: ${text}; it is tried again, and its pictures are dropped meanwhile`);
        });
      },
      onIdle: () => this.#gone(source),
    };
  }

  #gone(source: string): void {
    this.#streams.delete(source);
    this.#back(source);
  }

  /** The far end of that source is not away, or not missed any more. */
  #back(source: string): void {
    if (this.#away.delete(source) && this.#away.size === 0 && this.#isOpen) this.context.events.onConnected(true);
  }

  #drop(reason: string): void {
    this.#counts.dropped++;
    this.context.events.onDropped("overlay", reason);
  }
}
