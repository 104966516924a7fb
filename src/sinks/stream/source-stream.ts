import { setTimeout as sleep } from "node:timers/promises";
import { backoff } from "../../backoff.js";
import { reasonOf } from "../../errors.js";
import { type StreamEncoder, type StreamEncoderOptions, startStreamEncoder } from "../../ffmpeg/stream-encoder.js";
import { createStreamClock, type PictureTime } from "./clock.js";

const RETRY = { delaysMs: [1_000, 2_000, 5_000, 10_000, 30_000], jitter: 0.25 };
export const STREAM_LIMITS = {
  /** Pictures that wait for the encoder. */
  queued: 8,
  /** What is not sent by then is given up, and begun again: a film waits no longer. */
  stuckMs: 15_000,
  graceMs: 1_000,
  /** A process that has run so long was well: the next fault is a new one. */
  wellMs: 30_000,
  /** The last picture goes out once more when no other comes: a source whose frames are only classified still has a stream. */
  againMs: 1_000,
  /** A source that gives no frames, and no picture for so long, has no stream any more. */
  idleMs: 10_000,
};

/** One overlay as it came. */
export interface StreamPicture extends PictureTime {
  jpeg: Uint8Array;
  width: number;
  height: number;
}

interface Queued extends StreamPicture {
  /** It was sent before, and counts no more. */
  isRepeated: boolean;
}

/** What the sink that has this stream is told. */
export interface StreamEvents {
  onPublished(): void;
  onDropped(reason: string): void;
  /** The far end takes pictures. */
  onConnected(): void;
  /** It does not: why, as part of a sentence. `isOrdinary`: the process was told to end, by whomever. */
  onAway(why: string, isOrdinary: boolean): void;
  onRestarted(): void;
  /** No pictures are expected; the next one begins a new stream. */
  onIdle(): void;
}

export type StreamParts = Pick<StreamEncoderOptions, "encoder" | "maxKilobits" | "mask"> & {
  /** Makes ready where the stream goes; `goesOn`: after one of the same run. Throws one sentence. */
  target(goesOn: boolean): Promise<StreamEncoderOptions["target"]>;
  events: StreamEvents;
};

/** The stream of one source: at most one ffmpeg, which begins with the first picture and again after a fault. */
export class SourceStream {
  readonly #queue: Queued[] = [];
  #wakes: (() => void)[] = [];
  /** Given to the present process and not sent yet; true: to be counted. */
  #pending: boolean[] = [];
  #encoder: StreamEncoder | undefined;
  #work: Promise<void> | undefined;
  #last: Queued | undefined;
  #lastAt = 0;
  #offeredAt = performance.now();
  /** Since when something is to be sent and nothing was. */
  #stillSince = 0;
  #failures = 0;
  #goesOn = false;
  #isAway = false;
  #isEnding = false;
  #isClosed = false;
  #isForced = false;
  #stuck: string | undefined;
  readonly #stop = new AbortController();

  constructor(
    private readonly parts: StreamParts,
    private readonly limits = STREAM_LIMITS,
  ) {}

  /** Pictures that were taken, and neither sent nor dropped yet. */
  get buffered(): number {
    const waiting = this.#queue.filter(({ isRepeated }) => !isRepeated).length;
    return waiting + this.#pending.filter(Boolean).length;
  }

  /** Process of the encoder, while there is one. */
  get pid(): number | undefined {
    return this.#encoder?.pid;
  }

  /** Takes a picture. Resolves at once where it is live or the far end is away; else when there is room. */
  async offer(picture: StreamPicture): Promise<void> {
    this.#offeredAt = performance.now();
    if (this.#isClosed) return this.parts.events.onDropped("closed");
    if (this.#isAway) return this.parts.events.onDropped("far-end-away");
    this.#enqueue({ ...picture, isRepeated: false });
    if (!picture.isLive) await this.#room();
    while (this.#queue.length > this.limits.queued) this.#drop(this.#queue.shift()!, "encoder-slow");
  }

  /** To be called often. `isSending`: the source gives frames, as far as is known. */
  beat(isSending: boolean): void {
    const now = performance.now();
    const isOwing = this.#pending.length > 0 || this.#isEnding;
    if (this.#encoder && isOwing && this.#stuck === undefined && now - this.#stillSince > this.limits.stuckMs) {
      this.#stuck = `nothing could be sent for ${this.limits.stuckMs / 1000} s`;
      void this.#encoder.end(this.limits.graceMs);
    }
    if (!isSending && now - this.#offeredAt > this.limits.idleMs) {
      this.#end();
      if (!this.#work) this.parts.events.onIdle();
      return;
    }
    const last = this.#last;
    if (!this.#encoder || !last?.isLive || this.#queue.length > 0 || this.#isEnding) return;
    const still = now - this.#lastAt;
    if (still >= this.limits.againMs) this.#enqueue({ ...last, at: last.at + still, isRepeated: true });
  }

  /** Sends what it has and ends the stream; resolves when the process is gone, by force before `deadlineMs` have passed. */
  async close(deadlineMs: number): Promise<void> {
    this.#isClosed = true;
    this.#end();
    this.#stop.abort();
    const force = setTimeout(
      () => {
        this.#isForced = true;
        void this.#encoder?.end(this.limits.graceMs / 2);
      },
      Math.min(Math.max(0, deadlineMs - this.limits.graceMs), 2 ** 31 - 1),
    );
    await this.#work;
    clearTimeout(force);
  }

  /** Resolves when nothing that it took waits any more. */
  async flushed(): Promise<void> {
    while (this.buffered > 0) await new Promise<void>((wake) => this.#wakes.push(wake));
  }

  #enqueue(picture: Queued): void {
    this.#queue.push(picture);
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined;
      // One may have come while the last process ended.
      if (this.#queue.length > 0 && !this.#isClosed) this.#enqueue(this.#queue.pop()!);
    });
    this.#wake();
  }

  #end(): void {
    if (!this.#isEnding) this.#stillSince = performance.now();
    this.#isEnding = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakes.splice(0)) wake();
  }

  async #room(): Promise<void> {
    while (this.#queue.length > this.limits.queued && !this.#isClosed) {
      await new Promise<void>((wake) => this.#wakes.push(wake));
    }
  }

  #drop({ isRepeated }: Pick<Queued, "isRepeated">, reason: string): void {
    if (!isRepeated) this.parts.events.onDropped(reason);
  }

  async #run(): Promise<void> {
    const { events } = this.parts;
    while (this.#queue.length > 0) {
      if (this.#failures > 0) events.onRestarted();
      const beganAt = performance.now();
      const fault = await this.#session();
      this.#goesOn = true;
      if (!fault) continue;
      this.#isAway = true;
      for (const picture of this.#queue.splice(0)) this.#drop(picture, "far-end-away");
      this.#wake();
      if (this.#isClosed) return;
      events.onAway(fault.why, fault.isOrdinary);
      if (performance.now() - beganAt > this.limits.wellMs) this.#failures = 0;
      const pause = backoff(this.#failures++, RETRY);
      await sleep(pause, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      this.#isAway = false;
    }
  }

  /** One process from its start to its end; undefined when it ended as it was meant to. */
  async #session(): Promise<{ why: string; isOrdinary: boolean } | undefined> {
    const { encoder: name, maxKilobits, mask, target, events } = this.parts;
    const { width, height } = this.#queue[0]!;
    const place = createStreamClock();
    let sent = 0;
    const onFrames = (count: number): void => {
      if (sent === 0 && count > 0) events.onConnected();
      while (sent < count && this.#pending.length > 0) {
        sent++;
        if (this.#pending.shift()) events.onPublished();
        this.#stillSince = performance.now();
      }
      this.#wake();
    };
    this.#stuck = undefined;
    this.#isEnding = this.#isClosed;
    this.#stillSince = performance.now();
    let encoder: StreamEncoder;
    try {
      const ready = await target(this.#goesOn);
      const haste = this.#failures > 0 ? "patient" : "eager";
      encoder = await startStreamEncoder({
        ...{ encoder: name, maxKilobits, mask, target: ready, width, height, haste, onFrames },
      });
    } catch (error) {
      return { why: reasonOf(error), isOrdinary: false };
    }
    this.#encoder = encoder;
    if (this.#isForced) void encoder.end(0);
    let isOver = false;
    void encoder.ended.then(() => {
      isOver = true;
      this.#wake();
    });
    while (!isOver) {
      const next = this.#queue[0];
      if (!next) {
        if (this.#isEnding) break;
        await new Promise<void>((wake) => this.#wakes.push(wake));
        continue;
      }
      // Neither SDP nor players follow another size: that is another stream.
      if (next.width !== width || next.height !== height) break;
      this.#queue.shift();
      if (this.#pending.length === 0) this.#stillSince = performance.now();
      this.#pending.push(!next.isRepeated);
      this.#last = next;
      this.#lastAt = performance.now();
      await encoder.give(next.jpeg, place(next) * 1000);
      this.#wake();
    }
    const isMeant = !isOver;
    if (isMeant) {
      this.#end();
      encoder.finish();
    }
    const { clean, why } = await encoder.ended;
    this.#encoder = undefined;
    const isWhole = isMeant && clean;
    for (const counts of this.#pending.splice(0)) {
      if (counts) events.onDropped(isWhole ? "not-delivered" : "connection-lost");
    }
    this.#isEnding = false;
    this.#last = undefined;
    this.#wake();
    if (this.#stuck !== undefined) return { why: this.#stuck, isOrdinary: false };
    return isWhole ? undefined : { why: clean ? "ffmpeg was ended" : why, isOrdinary: clean };
  }
}
