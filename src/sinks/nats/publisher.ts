import { setImmediate as nextTurn } from "node:timers/promises";
import { headers, type MsgHdrs, NatsError } from "nats";
import { VideoExplainerError } from "../../errors.js";
import { headersFor, subjectFor } from "../../messages/headers.js";
import type { MessageKind, OutMessage } from "../../messages/message.js";
import type { PendingMessage, PublishBuffer } from "./buffer.js";
import { type Connection, roundTrip } from "./connection.js";
import { jetStreamCode } from "./stream.js";

/** What a publisher works with; both publishers run until the connection ends or the server refuses. */
export interface Publishing {
  connection: Connection;
  buffer: PublishBuffer;
  prefix: string;
  /** Called with a function that the owner calls whenever something was queued. */
  onQueued(pump: () => void): void;
  onPublished(message: OutMessage): void;
  /** A message that can never be delivered was dropped; `alike`: the same for all messages that are reported as one. */
  onRefused(error: Error, alike: string): void;
}

/** Unconfirmed at a time: enough to hide the round trip, small beside the buffer. */
const WINDOW = { messages: 128, bytes: 8 * 1024 * 1024, ackMs: 10_000, flushMs: 10_000 };

/** Stream refuses this one message for ever: larger than its `max_msg_size`. */
const MESSAGE_TOO_LARGE = 10054;

/**
 * JetStream: each message is acknowledged by the stream. Resolves with why it ended, everything unconfirmed queued
 * again in its old order.
 */
export function publishAcknowledged(work: Publishing, stream: string): Promise<Error> {
  const { connection, buffer } = work;
  const js = connection.nc.jetstream({ timeout: WINDOW.ackMs });
  return new Promise((resolve) => {
    let failure: Error | undefined;
    let unsettled = 0;
    const finish = (): void => {
      if (!failure || (unsettled > 0 && !connection.signal.aborted)) return;
      connection.signal.removeEventListener("abort", lost);
      buffer.requeue();
      resolve(failure);
    };
    const lost = (): void => {
      failure = connection.signal.reason as Error;
      finish();
    };
    const send = async (entry: PendingMessage, wire: Wire): Promise<void> => {
      try {
        await js.publish(wire.subject, entry.message.body, { headers: wire.headers, expect: { streamName: stream } });
        if (buffer.confirm(entry)) work.onPublished(entry.message);
      } catch (error) {
        if (jetStreamCode(error) === MESSAGE_TOO_LARGE)
          discardRefused(work, entry, tooLarge(entry, bytesOf(entry.message, wire.headers), `stream ${stream}`));
        else failure ??= publishFault(error, wire.subject, stream);
      }
      unsettled--;
      if (failure) finish();
      else pump();
    };
    const pump = (): void => {
      while (!failure && unsettled < WINDOW.messages && buffer.inFlightBytes < WINDOW.bytes) {
        const entry = buffer.take();
        if (!entry) return;
        const wire = wireOf(work, entry);
        if (!wire) continue;
        unsettled++;
        void send(entry, wire);
      }
    };
    connection.signal.addEventListener("abort", lost, { once: true });
    if (connection.signal.aborted) return lost();
    work.onQueued(pump);
    pump();
  });
}

/**
 * Core NATS: batches, each confirmed by a round trip. A batch cut off by a lost connection is published again: nothing
 * is lost, and a subscriber may see its messages twice, with the same `Nats-Msg-Id`.
 */
export async function publishFlushed(work: Publishing): Promise<Error> {
  const { connection, buffer } = work;
  let silent: Error | undefined;
  while (!connection.signal.aborted) {
    const batch = sendBatch(work);
    if (batch.length === 0) {
      await queuedOrLost(work);
      continue;
    }
    try {
      await roundTrip(connection, WINDOW.flushMs);
    } catch {
      const text = `NATS server ${connection.server.address} does not answer`;
      if (!connection.signal.aborted) silent = new VideoExplainerError("nats-silent", text);
      await connection.nc.close();
      break;
    }
    // The client passes on a refusal that came before the answer a few turns after it.
    await nextTurn();
    const denied = connection.takeDenied();
    for (const { entry, subject } of batch) {
      if (denied.has(subject)) discardRefused(work, entry, { reason: "denied", error: deniedError(subject) });
      else if (buffer.confirm(entry)) work.onPublished(entry.message);
    }
  }
  buffer.requeue();
  return silent ?? (connection.signal.reason as Error);
}

function sendBatch(work: Publishing): { entry: PendingMessage; subject: string }[] {
  const batch: { entry: PendingMessage; subject: string }[] = [];
  while (batch.length < WINDOW.messages && work.buffer.inFlightBytes < WINDOW.bytes) {
    const entry = work.buffer.take();
    if (!entry) break;
    const wire = wireOf(work, entry);
    if (!wire) continue;
    try {
      work.connection.nc.publish(wire.subject, entry.message.body, { headers: wire.headers });
    } catch {
      // Only a connection that is closing throws here; the message stays unconfirmed and its flush fails.
    }
    batch.push({ entry, subject: wire.subject });
  }
  return batch;
}

function queuedOrLost(work: Publishing): Promise<void> {
  const { signal } = work.connection;
  return new Promise((resolve) => {
    const go = (): void => {
      signal.removeEventListener("abort", go);
      work.onQueued(() => undefined);
      resolve();
    };
    if (signal.aborted) return go();
    signal.addEventListener("abort", go, { once: true });
    work.onQueued(go);
  });
}

interface Wire {
  subject: string;
  headers: WireHeaders;
}

/** JetStream adds the header Nats-Expected-Stream. */
const JETSTREAM_BYTES = 128;

type WireHeaders = MsgHdrs & { encode(): Uint8Array };

function wireHeaders(message: OutMessage): WireHeaders {
  const wire = headers() as WireHeaders;
  for (const [name, value] of Object.entries(headersFor(message))) wire.set(name, value);
  return wire;
}

/** What the server counts of a message. */
const bytesOf = (message: OutMessage, wire: WireHeaders): number =>
  message.body.byteLength + wire.encode().byteLength + JETSTREAM_BYTES;

/** How many bytes the body of a message may have. */
export const roomFor = (message: OutMessage, maxPayload: number): number =>
  maxPayload - wireHeaders(message).encode().byteLength - JETSTREAM_BYTES;

/** Subject and headers; undefined when the message cannot be sent at all, which drops and reports it. */
function wireOf(work: Publishing, entry: PendingMessage): Wire | undefined {
  const { message } = entry;
  try {
    const subject = subjectFor(work.prefix, message.station, message.source, message.kind);
    const wire = { subject, headers: wireHeaders(message) };
    const bytes = bytesOf(message, wire.headers);
    const limit = work.connection.maxPayload;
    if (bytes <= limit) return wire;
    discardRefused(work, entry, tooLarge(entry, bytes, `max_payload ${limit} of the NATS server`));
  } catch (error) {
    discardRefused(work, entry, { reason: "invalid", error: error as Error });
  }
  return undefined;
}

interface Refusal {
  reason: string;
  error: Error;
}

function discardRefused(work: Publishing, entry: PendingMessage, { reason, error }: Refusal): void {
  work.onRefused(error, `${reason} ${entry.message.kind}`);
  work.buffer.discard(entry, reason);
}

/** What makes a message of a kind smaller. */
const SMALLER: Readonly<Record<MessageKind, string>> = {
  summary: "raise that limit, or lower explain.top or the rows and columns of explain.grid",
  overlay: "raise that limit, or lower the source's width or overlay.quality",
  original: "raise that limit, or lower the source's width or overlay.quality",
  heatmap: "raise that limit, or leave heatmap out of the sink's publish",
  status: "raise that limit",
};

function tooLarge({ message: { kind, source } }: PendingMessage, bytes: number, limit: string): Refusal {
  const text = `${kind} of source ${source} has ${bytes} bytes with its headers, more than ${limit} allows; ${SMALLER[kind]}`;
  return { reason: "too-large", error: new VideoExplainerError("nats-too-large", text) };
}

const deniedError = (subject: string): Error =>
  new VideoExplainerError("nats-denied", `the NATS user may not publish to ${subject}; grant it on the server`);

function publishFault(error: unknown, subject: string, stream: string): Error {
  if (!(error instanceof NatsError)) return error as Error;
  if (error.isPermissionError()) return deniedError(subject);
  const what = `stream ${stream} does not acknowledge ${subject}`;
  if (error.code === "TIMEOUT") return new VideoExplainerError("nats-ack", `${what}; it is published again`);
  // A stream that is full answers 503 as well, but says so.
  if (error.code === "503" && !error.api_error)
    return new VideoExplainerError("nats-ack", `${what}: JetStream is away; it is tried again`);
  const words = error.api_error?.description ?? error.message;
  return new VideoExplainerError("nats-ack", `${what}: ${words}; it is tried again`);
}
