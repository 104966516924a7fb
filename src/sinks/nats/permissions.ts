import { type NatsSinkConfig, SERVICE } from "../../config/schema.js";
import { stationSubjects } from "../../messages/headers.js";
import { streamSpec, summariesOf } from "./stream.js";

/** Subjects that a NATS user must be allowed, and no others. */
export interface Permissions {
  publish: readonly string[];
  subscribe: readonly string[];
}

/** Where answers come: the client's own inboxes. */
export const INBOXES = "_INBOX.>";

/** What a viewer with `history` needs beside what the sink does from whose stream it reads: summaries of its station alone. */
export function historyPermissions(config: NatsSinkConfig, station: string): Permissions {
  const { name } = streamSpec(config, station);
  const verbs = ["INFO", "MSG.NEXT", "DELETE"];
  return {
    publish: [
      // A consumer's name is chosen anew each time; what it reads stands behind it.
      `$JS.API.CONSUMER.CREATE.${name}.*.${summariesOf(config, station)}`,
      ...verbs.map((verb) => `$JS.API.CONSUMER.${verb}.${name}.*`),
    ],
    subscribe: [INBOXES],
  };
}

/** What a sink of a station needs. */
export function sinkPermissions(config: NatsSinkConfig, station: string): Permissions {
  const { name } = streamSpec(config, station);
  const stream = ["INFO", "CREATE", "UPDATE", "MSG.GET"].map((verb) => `$JS.API.STREAM.${verb}.${name}`);
  const serves = config.service.length > 0;
  return {
    publish: [
      stationSubjects(config.prefix, station),
      ...(config.jetstream ? stream : []),
      ...(serves ? config.inboxPrefixes.map((prefix) => `${prefix}.>`) : []),
    ],
    subscribe: [...(config.jetstream ? [INBOXES] : []), ...(serves ? [`${SERVICE}.${station}.>`, "$SRV.>"] : [])],
  };
}
