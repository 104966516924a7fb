import { type NatsSinkConfig, SERVICE } from "../../config/schema.js";
import { stationSubjects } from "../../messages/headers.js";
import { streamSpec } from "./stream.js";

/** Subjects that a NATS user must be allowed, and no others. */
export interface Permissions {
  publish: readonly string[];
  subscribe: readonly string[];
}

/** Where answers come: the client's own inboxes. */
export const INBOXES = "_INBOX.>";

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
