import type { Config } from "../config/schema.js";
import { INBOXES, type Permissions } from "../sinks/nats/permissions.js";
import { consumerName, frameSubject, resultSubject, streamNames, workSubjects } from "./names.js";

type Of = Pick<Config, "station" | "fleet">;

const api = ({ domain }: Config["fleet"]): string => (domain === undefined ? "$JS.API" : `$JS.${domain}.API`);

/** What a capture needs: to give out frames of its own station for this work, and to read the answers to it. */
export function capturePermissions({ station, fleet }: Of, work: string): Permissions {
  const { prefix } = fleet;
  const { frames, results } = streamNames(prefix);
  const js = api(fleet);
  const streams = [frames, results].flatMap((name) =>
    ["INFO", "CREATE", "UPDATE"].map((verb) => `${js}.STREAM.${verb}.${name}`),
  );
  return {
    publish: [
      frameSubject(prefix, work, station, "*"),
      ...streams,
      `${js}.CONSUMER.CREATE.${frames}.${consumerName(work)}.${workSubjects(prefix, work)}`,
      `${js}.CONSUMER.INFO.${frames}.${consumerName(work)}`,
      // A consumer's name is chosen anew at each connection; what it may read stands behind it.
      `${js}.CONSUMER.CREATE.${results}.*.${resultSubject(prefix, station, "*")}`,
      `${js}.CONSUMER.INFO.${results}.*`,
      `${js}.CONSUMER.MSG.NEXT.${results}.*`,
    ],
    subscribe: [INBOXES],
  };
}

/** What an explain worker needs: to take frames of its work and to answer for them. It makes no stream and no consumer. */
export function explainPermissions({ fleet }: Pick<Of, "fleet">, work: string): Permissions {
  const { frames, results } = streamNames(fleet.prefix);
  const js = api(fleet);
  const consumer = `${frames}.${consumerName(work)}`;
  return {
    publish: [
      `${js}.CONSUMER.INFO.${consumer}`,
      `${js}.CONSUMER.MSG.NEXT.${consumer}`,
      // Acknowledgements; with two more tokens where the server names its domain and account in them.
      `$JS.ACK.${consumer}.>`,
      `$JS.ACK.*.*.${consumer}.>`,
      `${results}.*.*`,
    ],
    subscribe: [INBOXES],
  };
}
