import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  DeliverPolicy,
  type JetStreamManager,
  NatsError,
  nanos,
  nuid,
  type StoredMsg,
} from "nats";
import type { NatsSinkConfig } from "../../config/schema.js";
import { VideoExplainerError } from "../../errors.js";
import { SUBJECT_TOKEN, subjectFor } from "../../messages/headers.js";
import type { MessageKind } from "../../messages/message.js";
import { type Summary, summarySchema } from "../../messages/summary.js";
import { openConnection, withTimeout } from "./connection.js";
import { readServers } from "./servers.js";
import { jetStreamCode, streamSpec, summariesOf } from "./stream.js";

const LIMITS = { apiMs: 5_000, fetchMs: 5_000, batch: 200, idleMs: 60_000, bytes: 1_000_000, steps: 48 };
const NO_MESSAGE = 10037;
const STREAM_NOT_FOUND = 10059;

export interface HistoryOptions {
  /** Of the sink that publishes into the stream. */
  nats: NatsSinkConfig;
  station: string;
  baseDir: string;
  /** How far back it is read. */
  maxAgeSeconds: number;
  /** So many summaries at most, the newest ones. */
  messages: number;
  /** Unix ms: what a run published that began then or later is no history. */
  before: number;
  signal: AbortSignal;
}

/** A summary of an earlier run, as it is in the stream. */
export interface PastFrame {
  source: string;
  summary: Summary;
  /** Of its message in the stream. */
  sequence: number;
  /** Message id without its kind. */
  frame: string;
}

/** What of a stream is read: summaries in their order, and pictures of the frames that are chosen of them. */
export interface History {
  frames(): AsyncGenerator<PastFrame>;
  /** A picture of a frame; undefined where the stream has none. */
  picture(frame: PastFrame, kind: MessageKind): Promise<Uint8Array | undefined>;
}

/**
 * Opens a connection to the stream of a nats sink for as long as `use` takes. Rejects with a sentence; of code `no-stream`
 * where there is none yet.
 */
export async function withHistory(options: HistoryOptions, use: (history: History) => Promise<void>): Promise<void> {
  const { nats, station, baseDir, signal } = options;
  const connection = await openConnection(readServers(nats, baseDir), [], `video-explainer ${station} history`, signal);
  const stream = streamSpec(nats, station).name;
  // What waits for the server then ends at once.
  const onAbort = (): void => void connection.nc.close();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const jsm = await connection.nc.jetstreamManager({ checkAPI: false, timeout: LIMITS.apiMs });
    const until = AbortSignal.any([signal, connection.signal]);
    await use({
      frames: () =>
        pastFrames(options, jsm, stream, (name) => connection.nc.jetstream().consumers.get(stream, name), until),
      picture: (frame, kind) => pictureOf(options, jsm, stream, frame, kind),
    });
  } catch (error) {
    throw signal.aborted ? error : inWords(error, stream);
  } finally {
    signal.removeEventListener("abort", onAbort);
    await withTimeout(connection.nc.close(), LIMITS.apiMs, signal).catch(() => undefined);
  }
}

async function* pastFrames(
  { nats, station, messages, maxAgeSeconds, before }: HistoryOptions,
  jsm: JetStreamManager,
  stream: string,
  open: (name: string) => Promise<Consumer>,
  signal: AbortSignal,
): AsyncGenerator<PastFrame> {
  const found = await newest(jsm, stream, summariesOf(nats, station), maxAgeSeconds, messages);
  if (!found) return;
  const consumer = await open(found.name);
  try {
    for (let left = found.pending; left > 0 && !signal.aborted; ) {
      const batch = await consumer.fetch({ max_messages: Math.min(left, LIMITS.batch), expires: LIMITS.fetchMs });
      let came = 0;
      for await (const message of batch) {
        came++;
        const frame = frameOf(message.subject, message.headers?.get("Nats-Msg-Id") ?? "", message.seq, message.data);
        if (frame && frame.epoch < before) yield frame;
      }
      // What aged meanwhile does not come.
      if (came === 0) return;
      left -= came;
    }
  } finally {
    await jsm.consumers.delete(stream, found.name).catch(() => undefined);
  }
}

interface Found {
  name: string;
  pending: number;
}

/**
 * A consumer of a filter's messages that are no older, and of these the newest: as many as are wanted, or down to half as many
 * where more are there. Undefined where there is none.
 */
async function newest(
  jsm: JetStreamManager,
  stream: string,
  filter: string,
  maxAgeSeconds: number,
  messages: number,
): Promise<Found | undefined> {
  const consumer = async (start: Partial<ConsumerConfig>): Promise<Found> => {
    const { name, num_pending: pending } = await jsm.consumers.add(stream, {
      // With a name the subject of the request ends in the filter, so that no more need be allowed.
      ...{ name: nuid.next(), ack_policy: AckPolicy.None, filter_subject: filter, mem_storage: true },
      ...{ inactive_threshold: nanos(LIMITS.idleMs), ...start },
    });
    return { name, pending };
  };
  const since = new Date(Date.now() - maxAgeSeconds * 1000).toISOString();
  let found = await consumer({ deliver_policy: DeliverPolicy.StartTime, opt_start_time: since });
  const { state } = await jsm.streams.info(stream);
  // What is there from a sequence on falls as that rises.
  let [low, high] = [state.first_seq, state.last_seq + 1];
  const isEnough = (step: number): boolean =>
    found.pending <= messages && (step === 0 || found.pending >= messages / 2);
  for (let step = 0; !isEnough(step) && step < LIMITS.steps; step++) {
    const start = Math.floor((low + high) / 2);
    await jsm.consumers.delete(stream, found.name);
    found = await consumer({ deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, start) });
    if (found.pending > messages) low = start;
    else high = start;
  }
  if (found.pending > 0 && found.pending <= messages) return found;
  await jsm.consumers.delete(stream, found.name);
  return undefined;
}

const ID = /^(.+-(\d+)-\d+)-summary$/;

/** Undefined of what is no summary: anybody may have written into the stream. */
function frameOf(subject: string, id: string, sequence: number, body: Uint8Array) {
  const source = subject.split(".")[2] ?? "";
  const [, frame, epoch] = ID.exec(id) ?? [];
  if (frame === undefined || !SUBJECT_TOKEN.test(source) || body.byteLength > LIMITS.bytes) return undefined;
  try {
    const { data: summary } = summarySchema.safeParse(JSON.parse(new TextDecoder().decode(body)));
    return summary?.source === source ? { source, summary, sequence, frame, epoch: Number(epoch) } : undefined;
  } catch {
    return undefined;
  }
}

/** A frame's messages go out behind its summary. */
async function pictureOf(
  { nats: { prefix }, station }: HistoryOptions,
  jsm: JetStreamManager,
  stream: string,
  { source, sequence, frame }: PastFrame,
  kind: MessageKind,
): Promise<Uint8Array | undefined> {
  const subject = subjectFor(prefix, station, source, kind);
  // The first under that subject from there on, as the API has it beside what the client's types say.
  const query = { seq: sequence, next_by_subj: subject };
  const found = await jsm.streams.getMessage(stream, query).catch(nothing);
  return found && found.header.get("Nats-Msg-Id") === `${frame}-${kind}` ? found.data : undefined;
}

function nothing(error: unknown): StoredMsg | undefined {
  if (jetStreamCode(error) !== NO_MESSAGE) throw error;
  return undefined;
}

function inWords(error: unknown, stream: string): Error {
  if (!(error instanceof NatsError)) return error as Error;
  const say = (text: string): Error => new VideoExplainerError("nats-history", text, { cause: error });
  if (jetStreamCode(error) === STREAM_NOT_FOUND)
    return new VideoExplainerError("no-stream", `there is no stream ${stream} yet`, { cause: error });
  if (error.isPermissionError() || error.code === "TIMEOUT") {
    return say(
      `stream ${stream} cannot be read; grant the NATS user what video-explainer permissions prints, or leave history out`,
    );
  }
  if (error.code === "503") return say(`stream ${stream} cannot be read, since JetStream is not enabled or away`);
  return say(`stream ${stream} cannot be read: ${error.api_error?.description ?? error.message}`);
}
