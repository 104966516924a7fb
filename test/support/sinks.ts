import { makeMessage } from "../../src/messages/headers.js";
import type { MessageKind, OutMessage } from "../../src/messages/message.js";
import type { SinkContext, SinkEvents } from "../../src/sinks/sink.js";

export const STATION = "line-3";

/** What a sink reported, in order. */
export interface Recorded {
  published: MessageKind[];
  errors: string[];
  dropped: string[];
  connected: { connected: boolean; reason?: string }[];
  log: string[];
}

/** A context that writes down all that a sink says. */
export function recordingContext(baseDir = "."): { context: SinkContext; recorded: Recorded } {
  const recorded: Recorded = { published: [], errors: [], dropped: [], connected: [], log: [] };
  const events: SinkEvents = {
    onPublished: (kind) => recorded.published.push(kind),
    onError: (error) => recorded.errors.push(error.message),
    onDropped: (kind, reason) => recorded.dropped.push(`${kind} ${reason}`),
    onConnected: (connected, reason) =>
      recorded.connected.push(reason === undefined ? { connected } : { connected, reason }),
  };
  const say = (message: string, fields?: object): void => {
    recorded.log.push(fields ? `${message} ${JSON.stringify(fields)}` : message);
  };
  const log = { debug: say, info: say, warn: say, error: say };
  return { context: { station: STATION, events, log, baseDir }, recorded };
}

/** A message as the pipeline makes it; its JSON body tells its source and sequence. */
export function message(
  kind: MessageKind,
  source: string,
  sequence: number,
  more: Partial<OutMessage> = {},
): OutMessage {
  const made = makeMessage({
    kind,
    station: STATION,
    source,
    epoch: 0,
    sequence,
    time: new Date(1_700_000_000_000 + sequence * 40).toISOString(),
    body: Buffer.from(JSON.stringify({ source, sequence })),
    whenFull: "wait",
  });
  return { ...made, ...more };
}

/** Messages of one frame, as `write` takes them. */
export const outcome = (...messages: OutMessage[]) => ({ source: messages[0]!.source, messages });

/** Waits until something holds; fails with the sentence after the time. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 45_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`in vain waited for: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
