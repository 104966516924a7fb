import { InputError } from "../errors.js";
import type { MessageKind, OutMessage } from "./message.js";

/** What a name must be to be part of a NATS subject. */
export const SUBJECT_TOKEN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** What a message id is made of. */
export interface MessageIdentity {
  station: string;
  source: string;
  /** Decimal and different for every connection of the source over all runs: see `epochId`. */
  epoch: number;
  sequence: number;
  kind: MessageKind;
}

/** `{prefix}.{station}.{source}.{kind}`; a name that is no NATS token is an InputError, never rewritten. */
export function subjectFor(prefix: string, station: string, source: string, kind: MessageKind): string {
  return `${token("prefix", prefix)}.${token("station", station)}.${token("source", source)}.${kind}`;
}

/** The filter over everything that a station publishes. */
export function stationSubjects(prefix: string, station: string): string {
  return `${token("prefix", prefix)}.${token("station", station)}.>`;
}

/**
 * Epoch for message ids: the run's start (Unix milliseconds) plus the source's own epoch, which counts from 0 in
 * every run. A restarted program must not repeat the ids of its last run, or JetStream takes its frames for duplicates.
 */
export const epochId = (runStartedAt: number, epoch: number): number => runStartedAt + epoch;

/**
 * `{station}-{source}-{epoch}-{sequence}-{kind}`. A stream takes two messages of one id for the same: a status needs a
 * sequence of its own, not that of the last frame.
 */
export const messageId = (of: MessageIdentity): string =>
  `${of.station}-${of.source}-${of.epoch}-${of.sequence}-${of.kind}`;

/** What each kind of message holds. */
export const CONTENT: Readonly<Record<MessageKind, Pick<OutMessage, "contentType" | "schema">>> = {
  summary: { contentType: "application/json", schema: "explanation-summary/1" },
  overlay: { contentType: "image/jpeg", schema: "explanation-overlay/1" },
  heatmap: { contentType: "image/png", schema: "explanation-heatmap/1" },
  original: { contentType: "image/jpeg", schema: "explanation-original/1" },
  status: { contentType: "application/json", schema: "source-status/1" },
};

/** A message with its id, content type and schema filled in; `epoch` as `epochId` gives it. */
export const makeMessage = (parts: Omit<OutMessage, "id" | "contentType" | "schema">): OutMessage => ({
  ...parts,
  ...CONTENT[parts.kind],
  id: messageId(parts),
});

/** Every header of a message, in wire spelling; the message's own may add to these but not replace them. */
export function headersFor(message: OutMessage): Record<string, string> {
  return {
    ...message.headers,
    "Nats-Msg-Id": message.id,
    "Content-Type": message.contentType,
    "Frame-Sequence": String(message.sequence),
    "Frame-Time": message.time,
    Schema: message.schema,
  };
}

function token(what: string, text: string): string {
  if (SUBJECT_TOKEN.test(text)) return text;
  throw new InputError(
    "name",
    `${what} ${JSON.stringify(text)} cannot be part of a NATS subject: use letters, digits, - or _, beginning with a letter or digit, 63 at most`,
  );
}
