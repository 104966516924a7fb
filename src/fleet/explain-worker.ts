import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, JsMsg, NatsError } from "nats";
import type { FleetConfig } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import type { Explainer, Explanation } from "../explain/explanation.js";
import type { Logger } from "../log.js";
import { SUBJECT_TOKEN } from "../messages/headers.js";
import type { Metrics } from "../metrics/metrics.js";
import { RateLimitedLog } from "../rate-limited-log.js";
import { redact } from "../redact.js";
import { truncateMiddle } from "../truncate.js";
import { BatchFormer } from "./batch-former.js";
import { type HeldFrame, PictureSlabs } from "./held-frame.js";
import { watchQueue } from "./lag.js";
import { FleetLink, type FleetSession, fleetFault } from "./link.js";
import { consumerName, resultSubject, streamNames } from "./names.js";
import { decodePicture } from "./picture.js";
import { answerBody, explainedReport, type Report, readRequest } from "./wire.js";

export interface WorkerParts {
  config: FleetConfig;
  station: string;
  baseDir: string;
  explainer: Explainer;
  /** See `workId`. */
  work: string;
  maxBatch: number;
  maxWaitMs: number;
  log: Logger;
  metrics: Metrics;
}

const TIMES = { pullMs: 2_000, heartbeatMs: 1_000, publishMs: 5_000, ackMs: 5_000, faultMs: 1_000, unfinishedMs: 100 };
/** A frame that was given out so often and never answered ends its workers, and is not tried any more. */
const MAX_DELIVERIES = 8;
const MAX_SENTENCE = 1000;
/** Clocks that differ by more than this are spoken of. */
const CLOCK_MS = 1000;

/** Explains frames of all captures that share its model and options: pulls, forms batches, answers, acknowledges. */
export class ExplainWorker {
  readonly link: FleetLink;
  readonly #held = new Set<HeldFrame>();
  /** Of those that are decoded. */
  readonly #batches: BatchFormer<HeldFrame>;
  readonly #names;
  readonly #slabs: PictureSlabs;
  readonly #rarely = new RateLimitedLog();
  #counts = { taken: 0, explained: 0 };
  #pulled = 0;
  #isStopping = false;
  /** Came when nothing is begun any more; given back once nothing more comes, or they would come again at once and wear out. */
  readonly #late = new Set<HeldFrame>();
  #waiters = new Set<() => void>();

  constructor(private readonly parts: WorkerParts) {
    const { config, baseDir, station, log, metrics, explainer, maxBatch, maxWaitMs } = parts;
    const { inputWidth, inputHeight } = explainer.model;
    this.#names = streamNames(config.prefix);
    this.#slabs = new PictureSlabs(3 * inputWidth * inputHeight);
    this.#batches = new BatchFormer({ maxBatch, maxWaitMs, run: (frames) => this.#explain(frames) });
    this.link = new FleetLink({
      ...{ config, baseDir, log, metrics: metrics.fleet, clientName: `video-explainer ${station} explain` },
      prepare: (session) => this.#prepare(session),
      serve: (session) => this.#serve(session),
    });
  }

  /** Frames that it was given, and those of them that it has explained and answered for. */
  get counts(): Readonly<{ taken: number; explained: number }> {
    return this.#counts;
  }

  /** Takes no more, gives back what it has not begun, finishes the rest within the deadline and gives back what is left. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    for (const frame of this.#batches.takeBack()) this.#giveBack(frame);
    const over = performance.now() + deadlineMs;
    // What was asked for before may still come.
    while ((this.#held.size > 0 || this.#pulled > 0) && performance.now() < over) {
      if (this.#pulled > 0 || this.#late.size === 0) await this.#change(over);
      else for (const frame of this.#late) this.#giveBack(frame);
    }
    for (const frame of this.#held) this.#giveBack(frame);
    await this.link.close();
  }

  /** Resolves when something was finished, or it is time. */
  #change(over: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(go);
        resolve();
      };
      const timer = setTimeout(go, Math.max(0, Math.min(TIMES.unfinishedMs, over - performance.now())));
      this.#waiters.add(go);
    });
  }

  #changed(): void {
    for (const go of [...this.#waiters]) go();
  }

  /** The streams are the captures' to make. */
  async #prepare({ jsm }: FleetSession): Promise<void> {
    const { work } = this.parts;
    try {
      await jsm.consumers.info(this.#names.frames, consumerName(work));
    } catch (error) {
      const what = `consumer ${consumerName(work)} of stream ${this.#names.frames}, which a capture with the same model and explain settings makes, cannot be used`;
      throw fleetFault(what, error);
    }
  }

  async #serve(session: FleetSession): Promise<never> {
    const { config, work, metrics, explainer } = this.parts;
    const { signal, jsm, js } = session;
    const stream = this.#names.frames;
    const consumer = js.consumers.getPullConsumerFor(await jsm.consumers.info(stream, consumerName(work)));
    watchQueue(session, { stream, consumers: () => [consumerName(work)], metrics: metrics.fleet });
    const working = setInterval(() => this.#tellWorking(), (config.ackWaitSeconds * 1000) / 3);
    signal.addEventListener("abort", () => clearInterval(working), { once: true });
    // What another session was given is not to be acknowledged by this one, and comes again.
    this.#forget();
    this.#pulled = 0;
    let failure: Error | undefined;
    while (!failure) {
      signal.throwIfAborted();
      if (explainer.fault !== undefined) {
        this.#batches.takeBack();
        for (const frame of this.#held) this.#giveBack(frame);
        await sleep(TIMES.faultMs, undefined, { signal });
        continue;
      }
      if (!this.#isStopping) for (const frame of this.#late) this.#giveBack(frame);
      const room = this.#batches.capacity - this.#held.size - this.#pulled;
      const isWorth = room > 0 && (this.#pulled === 0 || room >= this.parts.maxBatch / 2);
      if (isWorth && !this.#isStopping) {
        this.#pull(session, consumer, room).catch((error: Error) => {
          failure = fleetFault(`stream ${stream} gives no frames`, error);
          this.#changed();
        });
      } else await this.#change(performance.now() + TIMES.unfinishedMs);
    }
    throw failure;
  }

  async #pull({ signal }: FleetSession, consumer: Consumer, count: number): Promise<void> {
    this.#pulled += count;
    let left = count;
    try {
      const options = { max_messages: count, expires: TIMES.pullMs, idle_heartbeat: TIMES.heartbeatMs };
      const messages = await consumer.fetch(options);
      const stop = (): void => messages.stop();
      signal.addEventListener("abort", stop, { once: true });
      for await (const message of messages) {
        // The next session counts anew, and is given it once more.
        if (signal.aborted) break;
        left--;
        this.#pulled--;
        this.#take(message).catch((error: Error) => this.#refuse(message, error.message));
      }
      signal.removeEventListener("abort", stop);
    } finally {
      if (!signal.aborted) this.#pulled -= left;
      this.#changed();
    }
  }

  async #take(message: JsMsg): Promise<void> {
    const { metrics, explainer } = this.parts;
    const read = readRequest(message.headers);
    const [, , station, source] = message.subject.split(".");
    if (!read || !station || !source || !SUBJECT_TOKEN.test(station)) {
      return this.#refuse(message, "no frame");
    }
    const { request, type } = read;
    const { classifyOnly, scale, interest } = request;
    const memory = this.#slabs.take();
    const stride = 3 * explainer.model.inputWidth;
    const input = { memory, offset: 0, stride, classifyOnly, scale, ...(interest && { interest }) };
    const frame: HeldFrame = { message, station, source, request, input };
    this.#held.add(frame);
    if (this.#isStopping || explainer.fault !== undefined) {
      this.#late.add(frame);
      return;
    }
    this.#counts.taken++;
    const { deliveryCount } = message.info;
    if (deliveryCount > 1) metrics.fleet.redelivered();
    const ageMs = this.#age(frame);
    metrics.fleet.age(ageMs / 1000);
    if (request.live && ageMs > this.parts.config.maxAgeMs) {
      const sentence = `a frame was older than fleet.maxAgeMs of ${this.parts.config.maxAgeMs} when an explain worker came to it; start more of them`;
      return this.#answer(frame, { kind: "left-out", id: request.id, why: "stale", sentence });
    }
    if (deliveryCount > MAX_DELIVERIES) {
      const sentence = `it was given to explain workers ${deliveryCount - 1} times, and none has answered`;
      return this.#answer(frame, { kind: "failed", id: request.id, sentence });
    }
    try {
      await decodePicture(message.data, type, explainer.model, memory);
    } catch (error) {
      return this.#answer(frame, failed(request.id, error as Error));
    }
    if (!this.#held.has(frame)) return;
    if (this.#isStopping) return this.#giveBack(frame);
    this.#batches.add(frame);
  }

  /** There is nobody to answer to. */
  #refuse(message: JsMsg, why: string): void {
    tell(() => message.term(why));
    this.parts.metrics.fleet.answered("refused");
    const text = `a message under ${this.#names.frames} is left out (${why}); look who else may publish there`;
    this.#rarely.happened("refused", () => this.parts.log.warn(`fleet: ${text}`));
  }

  /** Milliseconds since its capture; the clocks of capture, server and worker are taken to be set right. */
  #age({ message, request }: HeldFrame): number {
    const sinceStored = Date.now() - message.info.timestampNanos / 1e6;
    if (sinceStored < -CLOCK_MS) {
      const text = `frames come from ${Math.round(-sinceStored)} ms in the future; set the clocks of this machine and the NATS server`;
      this.#rarely.happened("clock", () => this.parts.log.warn(`fleet: ${text}`));
    }
    return request.ageMs + Math.max(0, sinceStored);
  }

  async #explain(frames: readonly HeldFrame[]): Promise<void> {
    const { explainer, metrics } = this.parts;
    const startedAt = performance.now();
    metrics.batch(frames.length);
    const found = await explainer.explainEach(frames.map(({ input }) => input));
    metrics.stage("explain", (performance.now() - startedAt) / 1000);
    for (const [k, frame] of frames.entries()) {
      // That of all others is left to the collector: somebody may still write into it.
      this.#slabs.give(frame.input.memory);
      void this.#conclude(frame, found[k]!);
    }
  }

  #conclude(frame: HeldFrame, found: Explanation | Error): Promise<void> {
    const { id } = frame.request;
    if (found instanceof VideoExplainerError && found.code === "engine-died") {
      // Another worker can do it.
      this.#giveBack(frame);
      return Promise.resolve();
    }
    if (found instanceof Error) return this.#answer(frame, failed(id, found));
    try {
      const { report, heatmap } = explainedReport(id, this.parts.explainer.engine, found);
      return this.#answer(frame, report, heatmap);
    } catch (error) {
      return this.#answer(frame, failed(id, error as Error));
    }
  }

  /** Acknowledges a frame once the stream has its answer; where that cannot be had, the frame comes again. */
  async #answer(frame: HeldFrame, report: Report, heatmap?: Uint8Array): Promise<void> {
    const session = this.link.current;
    try {
      // Of a session that is over: another is given the frame.
      if (!session || !this.#held.has(frame)) return;
      const { request, station, message } = frame;
      const subject = resultSubject(this.parts.config.prefix, station, request.run);
      const expect = { streamName: this.#names.results };
      const options = { msgID: request.id, expect, timeout: TIMES.publishMs };
      await session.js.publish(subject, answerBody(report, heatmap), options);
      await message.ackAck({ timeout: TIMES.ackMs });
      if (report.kind === "explained") this.#counts.explained++;
      this.parts.metrics.fleet.answered(report.kind === "left-out" ? report.why : report.kind);
    } catch (error) {
      if (session?.signal.aborted) return;
      if ((error as NatsError).code === "MAX_PAYLOAD_EXCEEDED" && report.kind === "explained") {
        const text = `its heatmap of ${heatmap?.length ?? 0} bytes is larger than max_payload of the NATS server allows; raise it there`;
        return await this.#answer(frame, { kind: "failed", id: report.id, sentence: text });
      }
      const { message } = fleetFault(`an answer could not be given to stream ${this.#names.results}`, error);
      this.#rarely.happened("answer", () => this.parts.log.warn(`fleet: ${message}; the frame comes again`));
    } finally {
      this.#drop(frame);
    }
  }

  #giveBack(frame: HeldFrame): void {
    tell(() => frame.message.nak());
    this.parts.metrics.fleet.answered("given-back");
    this.#drop(frame);
  }

  #drop(frame: HeldFrame): void {
    this.#held.delete(frame);
    this.#late.delete(frame);
    this.#changed();
  }

  /** Of a session that is over. */
  #forget(): void {
    this.#batches.takeBack();
    this.#held.clear();
    this.#late.clear();
  }

  #tellWorking(): void {
    for (const { message } of this.#held) tell(() => message.working());
  }
}

/** A connection that is gone cannot be told anything: the server notices by itself. */
function tell(say: () => void): void {
  try {
    say();
  } catch {
    // As said.
  }
}

const failed = (id: string, error: Error): Report => ({
  kind: "failed",
  id,
  sentence: truncateMiddle(redact(error.message), MAX_SENTENCE),
});
