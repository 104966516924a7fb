import { setTimeout as sleep } from "node:timers/promises";
import type { Msg } from "nats";
import { makeMessage } from "../messages/headers.js";
import { MESSAGE_KINDS, type MessageKind, type OutMessage } from "../messages/message.js";
import { type Connection, openConnection, withTimeout } from "../sinks/nats/connection.js";
import type { NatsServers } from "../sinks/nats/servers.js";

const RETRY_MS = 2000;

export interface Topic {
  station: string;
  source: string;
  kind: MessageKind;
}

/** The parts of `{prefix}.{station}.{source}.{kind}`; null when the subject is none. */
export function topicOf(subject: string): Topic | null {
  const [, station, source, kind, ...rest] = subject.split(".");
  if (!station || !source || rest.length > 0 || !MESSAGE_KINDS.includes(kind as MessageKind)) return null;
  return { station, source, kind: kind as MessageKind };
}

/** The message as its publisher's pipeline made it, and the name of its frame. */
export function received(topic: Topic, message: Msg): { frame: string; out: OutMessage } {
  const header = (name: string): string => message.headers?.get(name) ?? "";
  const sequence = Number(header("Frame-Sequence")) || 0;
  const time = header("Frame-Time") || new Date().toISOString();
  const out = makeMessage({ ...topic, epoch: 0, sequence, time, body: message.data, whenFull: "drop" });
  const id = header("Nats-Msg-Id");
  const ending = `-${topic.kind}`;
  return { frame: id.endsWith(ending) ? id.slice(0, -ending.length) : String(sequence), out };
}

/** Subscribes, and subscribes again whenever the server is back, until stopped. */
export async function followTopics(
  servers: NatsServers,
  subjects: readonly string[],
  onMessage: (message: Msg) => void,
  say: (sentence: string) => void,
  stop: AbortSignal,
): Promise<void> {
  let complaint = "";
  const complain = (error: unknown): void => {
    const sentence = error instanceof Error ? error.message : String(error);
    if (sentence !== complaint) say(`${sentence}; trying again every ${RETRY_MS / 1000} s`);
    complaint = sentence;
  };
  while (!stop.aborted) {
    let link: Connection | undefined;
    try {
      link = await openConnection(servers, [], "video-explainer watch", stop);
      const onEach = (error: Error | null, message: Msg): void => {
        if (error) return complain(error);
        try {
          onMessage(message);
        } catch (fault) {
          // The client would stop reading. Anybody may publish, headers that are none too.
          complain(`a message on ${JSON.stringify(message.subject)} cannot be read (${(fault as Error).message})`);
        }
      };
      for (const subject of subjects) link.nc.subscribe(subject, { callback: onEach });
      const { signal } = link;
      // Once the server has the subscriptions, what is published from then on is seen.
      await withTimeout(link.nc.flush(), Number.POSITIVE_INFINITY, AbortSignal.any([signal, stop]));
      complaint = "";
      say(`watching ${subjects.join(" and ")} on ${link.server.address}`);
      await new Promise<void>((resolve) => {
        for (const one of [signal, stop]) {
          if (one.aborted) resolve();
          else one.addEventListener("abort", () => resolve(), { once: true });
        }
      });
      if (!stop.aborted) complain(signal.reason);
    } catch (error) {
      if (!stop.aborted) complain(error);
    } finally {
      await link?.nc.close();
    }
    if (!stop.aborted) await sleep(RETRY_MS, undefined, { signal: stop }).catch(() => undefined);
  }
}
