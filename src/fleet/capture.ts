import { setTimeout as sleep } from "node:timers/promises";
import { AckPolicy, DeliverPolicy, type JsMsg, type NatsError, nanos, nuid } from "nats";
import type { FleetConfig } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import type { FrameTicket } from "../frame.js";
import type { Logger } from "../log.js";
import { LeftOutError } from "../messages/ledger.js";
import type { FleetMetrics } from "../metrics/metrics.js";
import { RateLimitedLog } from "../rate-limited-log.js";
import { ensureStream, jetStreamCode } from "../sinks/nats/stream.js";
import { watchQueue } from "./lag.js";
import { FleetLink, type FleetSession, fleetFault } from "./link.js";
import { consumerName, frameSubject, resultSubject, streamNames, streamSpecs, workSubjects } from "./names.js";
import { PendingAnswer, type Reported } from "./pending-answer.js";
import { type PictureType, readReport, requestHeaders, type WorkRequest } from "./wire.js";

export interface CaptureParts {
  config: FleetConfig;
  station: string;
  baseDir: string;
  log: Logger;
  metrics: FleetMetrics;
}

/** A picture that is asked about. */
export interface Question {
  work: string;
  ticket: FrameTicket;
  body: Uint8Array;
  type: PictureType;
  request: Pick<WorkRequest, "classifyOnly" | "scale" | "interest">;
}

const TIMES = {
  publishMs: 5_000,
  againMs: 250,
  fullMs: 100,
  expiresMs: 5_000,
  heartbeatMs: 1_000,
  idleMs: 60_000,
  unusedMs: 7 * 24 * 3_600_000,
};
const UNACKNOWLEDGED = 1024;
const ANSWERS_AT_ONCE = 128;
/** JetStream's own error numbers: the stream is full; the server's storage is. */
const FULL = new Set([10077, 10047, 10023, 10028]);

/** The capture's side of a fleet: gives frames out into the work queue, and takes what is answered to this run. */
export class FleetCapture {
  readonly link: FleetLink;
  /** No answer to another run, an earlier one of this station say, is taken for one to this. */
  readonly #run = nuid.next();
  readonly #names;
  /** By the ids of what was published of them. */
  readonly #waiting = new Map<string, PendingAnswer>();
  readonly #pending = new Set<PendingAnswer>();
  /** With the number of those that use it: an explainer that takes the place of another may do the same work. */
  readonly #works = new Map<string, number>();
  readonly #rarely = new RateLimitedLog();
  /** Sequence of the last answer in its stream, and when that stream was made. */
  #last = { sequence: 0, results: "", frames: "" };

  constructor(private readonly parts: CaptureParts) {
    const { config, baseDir, station, log, metrics } = parts;
    this.#names = streamNames(config.prefix);
    this.link = new FleetLink({
      ...{ config, baseDir, log, metrics, clientName: `video-explainer ${station} capture` },
      prepare: (session) => this.#prepare(session),
      serve: (session) => this.#serve(session),
    });
  }

  /** Frames will be asked about as this work; its queue is made ready before a worker comes. */
  async addWork(work: string): Promise<void> {
    this.#works.set(work, (this.#works.get(work) ?? 0) + 1);
    const session = this.link.current;
    // Without a session, or where it fails now, the next one makes it: a look at the queue finds it missing.
    if (session) await this.#addConsumer(session, work).catch(() => undefined);
  }

  removeWork(work: string): void {
    const left = (this.#works.get(work) ?? 0) - 1;
    if (left > 0) this.#works.set(work, left);
    else this.#works.delete(work);
  }

  /**
   * What a worker says of a picture. Rejects with a `LeftOutError` where that is a live frame's that could not be given
   * out, or has no answer in time; of a film it waits.
   */
  async ask(question: Question): Promise<Reported> {
    const { ticket, request } = question;
    const { source, epoch, sequence } = ticket;
    const kind = request.classifyOnly ? "classify" : "explain";
    // Stations share the streams, and names of two may make the same text: no other run has this one's name.
    const base = `${this.#run}-${source}-${epoch}-${sequence}-${kind}`;
    const pending = new PendingAnswer(ticket, this.parts.config);
    const ids: string[] = [];
    this.#pending.add(pending);
    try {
      for (;;) {
        // The stream may remember the id for longer than it kept the frame.
        const id = ids.length === 0 ? base : `${base}-${ids.length + 1}`;
        ids.push(id);
        this.#waiting.set(id, pending);
        await Promise.race([pending.answered, this.#publish(id, question, pending.signal)]);
        pending.givenOut();
        const reported = await pending.answeredOrGone();
        if (reported) return reported;
      }
    } finally {
      pending.end();
      this.#pending.delete(pending);
      for (const id of ids) this.#waiting.delete(id);
    }
  }

  async close(): Promise<void> {
    for (const pending of this.#pending) pending.fail(new VideoExplainerError("stopping", "the station is stopping"));
    await this.link.close();
  }

  /** Until the stream has it. */
  async #publish(id: string, { work, ticket, body, type, request }: Question, signal: AbortSignal): Promise<void> {
    const { config, station } = this.parts;
    const subject = frameSubject(config.prefix, work, station, ticket.source);
    for (;;) {
      const { js } = await this.link.session(signal);
      const ageMs = Math.max(0, performance.now() - ticket.receivedAt);
      const headers = requestHeaders({ ...request, id, run: this.#run, live: ticket.isLive, ageMs }, type);
      try {
        const expect = { streamName: this.#names.frames };
        await js.publish(subject, body, { msgID: id, headers, expect, timeout: TIMES.publishMs });
        return;
      } catch (error) {
        signal.throwIfAborted();
        await this.#refused(error as NatsError, ticket, signal);
      }
    }
  }

  /** Waits until it makes sense to try again, or throws what ends the frame. */
  async #refused(error: NatsError, { isLive, source }: FrameTicket, signal: AbortSignal): Promise<void> {
    const { frames } = this.#names;
    if (error.code === "MAX_PAYLOAD_EXCEEDED") {
      const text = `a frame of source ${source} is larger than max_payload of the NATS server allows; raise it there, or set fleet.picture to png or jpeg`;
      throw new VideoExplainerError("nats-too-large", text);
    }
    const isFull = FULL.has(jetStreamCode(error) ?? 0);
    if (isFull && isLive) {
      const text = `stream ${frames} is full; start more explain workers, or raise fleet.stream.maxBytes`;
      throw new LeftOutError("work-queue-full", text);
    }
    if (!isFull) {
      const { message } = fleetFault(`stream ${frames} does not acknowledge a frame`, error);
      this.#rarely.happened("publish", () => this.parts.log.warn(`fleet: ${message}; it is tried again`));
    }
    await sleep(isFull ? TIMES.fullMs : TIMES.againMs, undefined, { signal });
  }

  async #prepare(session: FleetSession): Promise<void> {
    const { jsm } = session;
    const specs = streamSpecs(this.parts.config);
    for (const spec of [specs.frames, specs.results]) {
      const lacking = await ensureStream(jsm, spec);
      if (lacking) this.#rarely.happened(spec.name, () => this.parts.log.warn(`fleet: ${lacking}`));
    }
    const [frames, results] = await Promise.all([
      jsm.streams.info(specs.frames.name),
      jsm.streams.info(specs.results.name),
    ]);
    // A server that lost its disk has neither the frames that were given out nor the numbers of the answers.
    const isNew = this.#last.frames !== "" && this.#last.frames !== frames.created;
    // One whose power failed may have the stream, and not the last of what was in it: new answers come under old numbers.
    const isKept = this.#last.results === results.created && results.state.last_seq >= this.#last.sequence;
    const sequence = isKept ? this.#last.sequence : 0;
    this.#last = { sequence, results: results.created, frames: frames.created };
    for (const work of this.#works.keys()) await this.#addConsumer(session, work);
    if (isNew) for (const pending of this.#pending) pending.gone();
  }

  async #addConsumer({ jsm }: FleetSession, work: string): Promise<void> {
    const { prefix, ackWaitSeconds } = this.parts.config;
    try {
      await jsm.consumers.add(this.#names.frames, {
        durable_name: consumerName(work),
        filter_subject: workSubjects(prefix, work),
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ackWaitSeconds * 1000),
        max_ack_pending: UNACKNOWLEDGED,
        inactive_threshold: nanos(TIMES.unusedMs),
      });
    } catch (error) {
      throw fleetFault(`consumer ${consumerName(work)} of stream ${this.#names.frames} cannot be made`, error);
    }
  }

  /** Takes the answers to this run, those that came while there was no session first. */
  async #serve(session: FleetSession): Promise<never> {
    const { jsm, js, signal } = session;
    const { config, station, metrics } = this.parts;
    const { results, frames } = this.#names;
    const begin =
      this.#last.sequence > 0
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#last.sequence + 1 }
        : { deliver_policy: DeliverPolicy.All };
    const info = await jsm.consumers
      .add(results, {
        ...begin,
        name: `${station}-${this.#run}-${nuid.next()}`,
        filter_subject: resultSubject(config.prefix, station, this.#run),
        ack_policy: AckPolicy.None,
        inactive_threshold: nanos(TIMES.idleMs),
        mem_storage: true,
        num_replicas: 1,
      })
      .catch((error: unknown) => Promise.reject(fleetFault(`stream ${results} gives no answers`, error)));
    let next = 1;
    const messages = await js.consumers.getPullConsumerFor(info).consume({
      max_messages: ANSWERS_AT_ONCE,
      expires: TIMES.expiresMs,
      idle_heartbeat: TIMES.heartbeatMs,
      abort_on_missing_resource: true,
      callback: (message) => {
        // One that is missing is asked for by the next session.
        if (message.info.deliverySequence !== next++) return messages.stop(new Error("an answer was lost on its way"));
        this.#last.sequence = message.seq;
        this.#take(message);
      },
    });
    signal.addEventListener("abort", () => messages.stop(), { once: true });
    if (signal.aborted) messages.stop();
    const consumers = (): string[] => [...this.#works.keys()].map(consumerName);
    watchQueue(session, { stream: frames, consumers, metrics }, (error) => messages.stop(error));
    const error = await messages.closed();
    signal.throwIfAborted();
    throw fleetFault(`stream ${results} gives no answers any more`, error ?? new Error("its consumer has ended"));
  }

  #take(message: JsMsg): void {
    const reported = readReport(message.data);
    if (!reported) {
      const text = `a message in stream ${this.#names.results} is no answer and is left out; look who else may publish there`;
      this.#rarely.happened("answer", () => this.parts.log.warn(`fleet: ${text}`));
      return;
    }
    // A frame that two workers have explained is answered for by the first; one that is not waited for any more by none.
    this.#waiting.get(reported.report.id)?.answer(reported);
  }
}
