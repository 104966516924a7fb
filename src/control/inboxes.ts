import type { Msg, NatsConnection, SubscriptionOptions } from "nats";

/** What the server puts in place of the inbox of a request that comes from another account, with a random token in it. */
const OTHER_ACCOUNTS = "_R_";
const MAX_CHARACTERS = 512;

/**
 * Whether a reply subject is an inbox. The asker chooses it, while the answer is published with the worker's own
 * permissions: anything else, such as `$JS.API.…` or the topics of a station, is a subject that the asker may not publish to
 * himself.
 */
export function isInbox(reply: string, prefixes: readonly string[]): boolean {
  if (reply.length > MAX_CHARACTERS || reply.split(".").some((token) => !/^[^\s*>]+$/.test(token))) return false;
  return [...prefixes, OTHER_ACCOUNTS].some((prefix) => reply.startsWith(`${prefix}.`));
}

/**
 * From now on nothing that subscribes on this connection sees a message that asks for its answer elsewhere than in an
 * inbox, not even what the client answers by itself (`$SRV.…`): `onRefused` is called instead. `onFault` is told what a
 * subscription throws.
 */
export function guardReplies(
  nc: NatsConnection,
  prefixes: readonly string[],
  onRefused: (message: Msg) => void,
  onFault: (error: Error) => void,
): void {
  const subscribe = nc.subscribe.bind(nc);
  nc.subscribe = (subject: string, options: SubscriptionOptions = {}) => {
    const { callback } = options;
    if (!callback) throw new Error(`the subscription to ${subject} has no callback and cannot be guarded`);
    return subscribe(subject, {
      ...options,
      callback: (error, message) => {
        if (!error && message.reply && !isInbox(message.reply, prefixes)) return onRefused(message);
        try {
          callback(error, message);
        } catch (fault) {
          // The client would stop reading, as at an answer of its own that is larger than the server takes.
          onFault(fault as Error);
        }
      },
    });
  };
}
