import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "nats";
import { backoff } from "../../backoff.js";
import { type NatsSinkConfig, sinkName } from "../../config/schema.js";
import { VideoExplainerError } from "../../errors.js";
import { subjectFor } from "../../messages/headers.js";
import type { FrameOutcome, MessageKind, OutMessage } from "../../messages/message.js";
import { RateLimitedLog } from "../../rate-limited-log.js";
import { countByKind } from "../lost.js";
import { shrinkJpeg } from "../shrink.js";
import type { Sink, SinkContext, SinkStatus } from "../sink.js";
import { type PendingMessage, PublishBuffer } from "./buffer.js";
import { type Connection, openConnection, roundTrip, withTimeout } from "./connection.js";
import { type Publishing, publishAcknowledged, publishFlushed, roomFor } from "./publisher.js";
import { type NatsServer, readServers } from "./servers.js";
import { ensureStream, lastIds, streamSpec } from "./stream.js";

const RETRY = { delaysMs: [0, 250, 500, 1000, 2000], jitter: 0.25 };
const TIMES = { apiMs: 5_000, probeMs: 5_000, drainMs: 1_000 };

/** What a server takes unless it is configured otherwise; counts until the first connection. */
const USUAL_MAX_PAYLOAD = 1024 * 1024;

export interface NatsSinkContext extends SinkContext {
  /** A new connection, which is used beside the publishing as long as it lasts; rejects with why it cannot be. */
  onConnection?(nc: NatsConnection): Promise<void>;
}

/**
 * Publishes to NATS. Messages are kept until the server has confirmed them (JetStream: acknowledged, each stored once;
 * core NATS: a round trip after the batch), through any number of lost connections, bounded by `bufferBytes`. Overlays
 * and originals that the server would not take are made smaller.
 */
export const createNatsSink = (config: NatsSinkConfig, context: NatsSinkContext): Sink => new NatsSink(config, context);

class NatsSink implements Sink {
  readonly name: string;
  readonly settles = true;
  readonly kinds: ReadonlySet<MessageKind>;
  readonly #servers;
  readonly #stream;
  readonly #buffer: PublishBuffer;
  readonly #stop = new AbortController();
  /** Of each source the end of the last write that waits for a smaller overlay; later ones come after it. */
  readonly #shrinking = new Map<string, Promise<void>>();
  readonly #warnedOversize = new Set<string>();
  readonly #rarely = new RateLimitedLog();
  #lastMaxPayload = USUAL_MAX_PAYLOAD;
  #discovered: NatsServer[] = [];
  #connection: Connection | undefined;
  #pump: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #connected = false;
  #finished = false;
  #reason: string | undefined = "not connected yet";
  #counts = { published: 0, errors: 0, dropped: 0, droppedWhileAway: 0 };

  constructor(
    private readonly config: NatsSinkConfig,
    private readonly context: NatsSinkContext,
  ) {
    this.name = sinkName(config);
    this.kinds = new Set(config.publish);
    this.#servers = readServers(config, context.baseDir);
    this.#stream = streamSpec(config, context.station);
    this.#buffer = new PublishBuffer(config.bufferBytes, {
      onQueued: () => this.#pump(),
      onDropped: (message, reason) => this.#dropped(message, reason),
    });
  }

  async connect(): Promise<void> {
    this.#running ??= this.#run();
  }

  async write({ source, messages }: FrameOutcome): Promise<void> {
    const taken = messages.filter(({ kind }) => this.kinds.has(kind));
    const before = this.#shrinking.get(source);
    if (!before && !taken.some((message) => this.#isTooLarge(message))) return this.#enqueue(taken);
    const fitting = Promise.all(taken.map((message) => this.#fitting(message)));
    const turn = Promise.all([fitting, before?.catch(() => undefined)]).then(([smaller]) => this.#enqueue(smaller));
    this.#shrinking.set(source, turn);
    try {
      await turn;
    } finally {
      if (this.#shrinking.get(source) === turn) this.#shrinking.delete(source);
    }
  }

  forget(source: string): void {
    this.#warnedOversize.delete(source);
  }

  async #enqueue(messages: readonly OutMessage[]): Promise<void> {
    for (const message of messages) await this.#buffer.enqueue(message);
  }

  get #farEnd(): string {
    return this.name === this.config.kind ? "NATS" : `NATS (sink ${this.name})`;
  }

  /** Of the present connection, whose server may change it, or the last. */
  get #maxPayload(): number {
    return this.#connection?.maxPayload ?? this.#lastMaxPayload;
  }

  #isTooLarge(message: OutMessage): boolean {
    return message.contentType === "image/jpeg" && message.body.byteLength > roomFor(message, this.#maxPayload);
  }

  /** An overlay or original that the server takes, where it can be made smaller; other messages as they are. */
  async #fitting(message: OutMessage): Promise<OutMessage> {
    if (!this.#isTooLarge(message)) return message;
    const limit = this.#maxPayload;
    const body = await shrinkJpeg(message.body, roomFor(message, limit));
    if (!body) return message;
    if (!this.#warnedOversize.has(message.source)) {
      this.#warnedOversize.add(message.source);
      this.context.log.warn(
        `${this.name}: pictures of source ${message.source} are made smaller than its frames to fit max_payload ${limit} of the NATS server; to avoid that raise it there, or lower the source's width or overlay.quality`,
      );
    }
    return { ...message, body };
  }

  /** For a server that takes less than the one before. */
  async #fitBuffered(connection: Connection): Promise<void> {
    for (const entry of this.#buffer.queued()) {
      if (connection.signal.aborted || this.#stop.signal.aborted) return;
      const { body } = await this.#fitting(entry.message);
      if (body !== entry.message.body) this.#buffer.shrink(entry, body);
    }
  }

  async verify(timeoutMs: number): Promise<boolean> {
    const connection = this.#connection;
    if (!connection || !this.#connected) return false;
    return roundTrip(connection, timeoutMs).then(
      () => this.#connected,
      () => false,
    );
  }

  status(): SinkStatus {
    const { published, errors, dropped } = this.#counts;
    const status = { connected: this.#connected, buffered: this.#buffer.size, published, errors, dropped };
    return this.#reason === undefined ? status : { ...status, reason: this.#reason };
  }

  async flushed(): Promise<void> {
    await Promise.allSettled(this.#shrinking.values());
    await this.#buffer.whenEmpty();
  }

  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<void> {
    await withTimeout(this.flushed(), deadlineMs, this.#stop.signal).catch(() => undefined);
    const lost = this.#buffer.dropAll("not-delivered");
    this.#finished = true;
    const connection = this.#connection;
    if (connection && !connection.signal.aborted) {
      await withTimeout(connection.nc.drain(), TIMES.drainMs, connection.signal).catch(() => undefined);
      await connection.nc.close();
    }
    const reason = this.#connected ? "the server confirms too slowly" : this.#reason;
    this.#stop.abort(new VideoExplainerError("nats", "the sink was closed"));
    await this.#connection?.nc.close();
    await this.#running;
    this.#connected = false;
    this.#reason = "closed";
    if (lost.length === 0) return;
    throw new VideoExplainerError(
      "nats-lost",
      `${countByKind(lost)} not confirmed by ${this.#farEnd} within ${deadlineMs / 1000} s and lost: ${reason}`,
    );
  }

  async #run(): Promise<void> {
    const stop = this.#stop.signal;
    // As NATS lists it; sinks of other names are told apart.
    const clientName = `video-explainer ${this.context.station}${this.name === this.config.kind ? "" : ` ${this.name}`}`;
    for (let attempt = 0; !stop.aborted; attempt++) {
      await this.#pause(attempt);
      try {
        const connection = await openConnection(this.#servers, this.#discovered, clientName, stop);
        this.#connection = connection;
        if (connection.discovered.length > 0) this.#discovered = connection.discovered;
        this.#serve(connection);
        if (stop.aborted) await connection.nc.close();
        else if (this.config.jetstream) await this.#serveStream(connection);
        else this.#markDisconnected(await this.#serveCore(connection));
        attempt = 0;
      } catch (error) {
        this.#markDisconnected(error as Error);
      } finally {
        this.#lastMaxPayload = this.#maxPayload;
        this.#connection = undefined;
        this.#pump = () => undefined;
      }
    }
  }

  /** Requests are answered beside the publishing, and whether they are is no condition of it. */
  #serve(connection: Connection): void {
    this.context.onConnection?.(connection.nc).catch((error: Error) => {
      if (!connection.signal.aborted)
        this.context.log.warn(`${this.name}: requests are not answered: ${error.message}`);
    });
  }

  async #serveCore(connection: Connection): Promise<Error> {
    await this.#fitBuffered(connection);
    if (!connection.signal.aborted) this.#markConnected(connection);
    return publishFlushed(this.#publishing(connection));
  }

  async #serveStream(connection: Connection): Promise<void> {
    let attempt = 0;
    while (!connection.signal.aborted && !this.#stop.signal.aborted) {
      try {
        await this.#prepareStream(connection);
        await this.#fitBuffered(connection);
        this.#markConnected(connection);
        const before = this.#counts.published;
        const failure = await publishAcknowledged(this.#publishing(connection), this.#stream.name);
        if (this.#counts.published > before) attempt = 0;
        this.#markDisconnected(failure);
      } catch (error) {
        this.#markDisconnected(connection.signal.aborted ? (connection.signal.reason as Error) : (error as Error));
      }
      attempt++;
      // A server that is gone without a word is found here, not after minutes.
      await roundTrip(connection, TIMES.probeMs).catch(() => connection.nc.close());
      if (!connection.signal.aborted) await this.#pause(attempt);
    }
  }

  /** Makes the stream ready and settles which uncertain messages it already holds. */
  async #prepareStream(connection: Connection): Promise<void> {
    const jsm = await connection.nc.jetstreamManager({ checkAPI: false, timeout: TIMES.apiMs });
    const lacking = await ensureStream(jsm, this.#stream);
    if (lacking) this.#rarely.happened("replicas", () => this.context.log.warn(`${this.name}: ${lacking}`));
    const bySubject = new Map<string, PendingMessage[]>();
    for (const entry of this.#buffer.uncertain()) {
      const { station, source, kind } = entry.message;
      const subject = subjectFor(this.config.prefix, station, source, kind);
      bySubject.set(subject, [...(bySubject.get(subject) ?? []), entry]);
    }
    // The stream forgets message ids after its duplicate window; the last one stored under a subject tells for longer.
    const stored = await lastIds(jsm, this.#stream.name, [...bySubject.keys()]);
    for (const [subject, pending] of bySubject) {
      const last = pending.findLastIndex(({ message }) => message.id === stored.get(subject));
      for (const entry of pending.slice(0, last + 1)) {
        if (this.#buffer.confirm(entry)) this.#published(entry.message);
      }
    }
  }

  #publishing(connection: Connection): Publishing {
    return {
      connection,
      buffer: this.#buffer,
      prefix: this.config.prefix,
      onQueued: (pump) => {
        this.#pump = pump;
      },
      onPublished: (message) => this.#published(message),
      onRefused: (error, alike) => {
        this.#counts.errors++;
        this.context.events.onError(error);
        this.#rarely.happened(alike, (times) => {
          const more = times > 1 ? ` (${times} like it since this was said last)` : "";
          this.context.log.warn(`${this.name}: ${error.message}${more}`);
        });
      },
    };
  }

  #published(message: OutMessage): void {
    this.#counts.published++;
    message.onSettled?.(true);
    this.context.events.onPublished(message.kind);
  }

  #dropped(message: OutMessage, reason: string): void {
    this.#counts.dropped++;
    message.onSettled?.(false);
    this.context.events.onDropped(message.kind, reason);
    if (reason !== "buffer-full") return;
    if (this.#counts.droppedWhileAway++ > 0) return;
    this.context.log.warn(
      `${this.name}: the buffer of ${this.config.bufferBytes} bytes is full, the oldest messages are dropped`,
    );
  }

  #markConnected(connection: Connection): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#reason = undefined;
    this.context.events.onConnected(true);
    const { version } = connection.nc.info ?? {};
    this.context.log.info(`${this.name}: connected to ${connection.server.address}`, {
      server: version,
      waiting: this.#buffer.size,
      ...(this.config.jetstream && { stream: this.#stream.name }),
      ...(this.#counts.droppedWhileAway > 0 && { dropped: this.#counts.droppedWhileAway }),
    });
    this.#counts.droppedWhileAway = 0;
  }

  /** Reported once, and again only when the reason is another. */
  #markDisconnected(error: Error): void {
    if (this.#finished || (!this.#connected && this.#reason === error.message)) return;
    this.#connected = false;
    this.#reason = error.message;
    this.#counts.errors++;
    this.context.events.onConnected(false, error.message);
    this.context.events.onError(error);
    this.context.log.warn(`${this.name}: ${error.message}; messages are kept meanwhile`);
  }

  async #pause(attempt: number): Promise<void> {
    const ms = backoff(attempt, RETRY);
    if (ms > 0) await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
