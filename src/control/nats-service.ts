import { headers, type Msg, type MsgHdrs, type NatsConnection, type ServiceMsg } from "nats";
import { SERVICE, type SERVICES } from "../config/schema.js";
import { InputError, reasonOf, VideoExplainerError } from "../errors.js";
import { type Logger, oneLine } from "../log.js";
import type { RateLimitedLog } from "../rate-limited-log.js";
import { redact } from "../redact.js";
import { maxPayloadOf } from "../sinks/nats/greeting.js";
import { truncate, truncateMiddle } from "../truncate.js";
import { packageVersion } from "../version.js";
import type { Control } from "./control.js";
import type { Endpoint } from "./endpoints/endpoint.js";
import { ENDPOINTS } from "./endpoints/registry.js";
import { guardStatsReply } from "./guard-stats-reply.js";
import { guardReplies } from "./inboxes.js";

export interface ServiceOptions {
  control: Control;
  groups: readonly (typeof SERVICES)[number][];
  /** First tokens of the subjects that are answered to. */
  inboxPrefixes: readonly string[];
  /** Name of the sink whose connection it is, for log lines. */
  sink: string;
  log: Logger;
  /** Of all connections of that sink: what is refused is said once, not after each reconnection. */
  refusals: RateLimitedLog;
  /** A request came to its end; `outcome`: `ok`, an error code, or why nothing was done. */
  onAnswered(endpoint: string, outcome: string): void;
}

/** What the header `Nats-Service-Error-Code` says of an error, in the manner of HTTP. */
const CODES: Record<string, number> = {
  "unknown-source": 404,
  "name-taken": 409,
  "too-many": 409,
  "too-large": 413,
  "large-picture": 413,
  busy: 503,
  stopping: 503,
};
const INTERNAL = 500;

function codeOf(error: unknown): number {
  if (!(error instanceof VideoExplainerError)) return INTERNAL;
  return CODES[error.code] ?? (error instanceof InputError ? 400 : INTERNAL);
}

const encoder = new TextEncoder();
const HEADER_BYTES = 256;
const USUAL_MAX_PAYLOAD = 1024 * 1024;
/** As long as a header should be; the body has the whole message. */
const MAX_HEADER_CHARACTERS = 300;
const MAX_MESSAGE_CHARACTERS = 1600;

/**
 * Answers the micro service `video-explainer` on a connection, as long as that lasts: subjects
 * `video-explainer.{station}.…`. Every answer is JSON; an error is `{ "error": { "code", "message" } }` with the
 * headers `Nats-Service-Error-Code` and `Nats-Service-Error`.
 */
export async function serveOn(nc: NatsConnection, options: ServiceOptions): Promise<void> {
  const { control, groups, sink, log, inboxPrefixes } = options;
  const endpoints = ENDPOINTS.filter((endpoint) => groups.includes(endpoint.group));
  if (endpoints.length === 0 || nc.isClosed() || nc.isDraining()) return;
  const nameOf = ({ subject }: Msg): string =>
    endpoints.find((endpoint) => `${SERVICE}.${control.station}.${endpoint.subject}` === subject)?.name ?? DISCOVERY;
  guardReplies(
    nc,
    inboxPrefixes,
    (message) => refuseRequest(options, nameOf(message), "reply-refused", message),
    (error) => log.debug(`${sink}: a request could not be answered: ${error.message}`),
  );
  const service = await nc.services.add({
    name: SERVICE,
    version: packageVersion(),
    description: "Explains what an image classifier sees in camera and video streams",
    metadata: { station: control.station },
    statsHandler: async () => ({ total: control.sources().total }),
  });
  guardStatsReply(nc, service);
  void service.stopped.then((error) => {
    if (error && !nc.isClosed() && !nc.isDraining())
      log.warn(`${sink}: the service ${SERVICE} is not answered: ${redact(error.message)}`);
  });
  const group = service.addGroup(SERVICE).addGroup(control.station);
  for (const endpoint of endpoints) {
    group.addEndpoint(endpoint.name, {
      subject: endpoint.subject,
      metadata: { description: endpoint.description },
      handler: (error, message) => {
        if (error) return;
        if (endpoint.answerOnly && !message.reply) refuseRequest(options, endpoint.name, "no-reply", message);
        else void respond(nc, endpoint, message, options);
      },
    });
  }
  await nc.flush();
}

/** What the client answers by itself: `$SRV.PING`, `$SRV.INFO`, `$SRV.STATS`. */
const DISCOVERY = "discovery";
const SUBJECT_TEXT = 80;

/** Nothing is done, nothing answered: there is nobody to answer to. */
function refuseRequest(
  { sink, log, refusals, onAnswered, inboxPrefixes }: ServiceOptions,
  name: string,
  outcome: "reply-refused" | "no-reply",
  { reply = "" }: Pick<Msg, "reply">,
): void {
  onAnswered(name, outcome);
  refusals.happened(outcome, (times) => {
    const count = times === 1 ? "a request was" : `${times} requests were`;
    const why =
      outcome === "no-reply"
        ? `without a reply subject; ask with one, as nats request does`
        : `with ${JSON.stringify(truncate(oneLine(reply), SUBJECT_TEXT))} for a reply subject, which is no inbox; when the asker is one of yours, name the prefix of its inboxes in inboxPrefixes (now ${inboxPrefixes.join(", ")})`;
    log.warn(`${sink}: ${count} not answered, the last one of ${name} ${why}`);
  });
}

async function respond(
  nc: NatsConnection,
  endpoint: Endpoint,
  message: ServiceMsg,
  options: ServiceOptions,
): Promise<void> {
  const maxBytes = maxPayloadOf(nc, USUAL_MAX_PAYLOAD) - HEADER_BYTES;
  let outcome = "ok";
  let body: Uint8Array;
  let about: MsgHdrs;
  try {
    body = encoder.encode(JSON.stringify(await endpoint.handle(options.control, message.data, maxBytes)));
    if (body.byteLength > maxBytes) throw tooLarge(body.byteLength, maxBytes);
    about = jsonHeaders();
  } catch (error) {
    const code = codeOf(error);
    const text = messageOf(error);
    if (code === INTERNAL) options.log.error(`${options.sink}: ${endpoint.name}: ${text}`);
    outcome = String(code);
    about = jsonHeaders();
    about.set("Nats-Service-Error-Code", outcome);
    about.set("Nats-Service-Error", headerText(text));
    body = encoder.encode(JSON.stringify({ error: { code, message: text } }));
  }
  options.onAnswered(endpoint.name, outcome);
  try {
    message.respond(body, { headers: about });
  } catch (error) {
    // The connection went away meanwhile; whoever asked will ask again.
    options.log.debug(`${options.sink}: ${endpoint.name} could not be answered: ${(error as Error).message}`);
  }
}

function jsonHeaders(): MsgHdrs {
  const made = headers();
  made.set("Content-Type", "application/json");
  return made;
}

/** One line without secrets, no longer than anybody reads. */
const messageOf = (error: unknown): string => truncateMiddle(oneLine(redact(reasonOf(error))), MAX_MESSAGE_CHARACTERS);

// Headers are lines of printable characters.
const headerText = (text: string): string => {
  const line = text.replace(/[^\x20-\x7e]+/g, " ").trim();
  return line.length > MAX_HEADER_CHARACTERS ? `${line.slice(0, MAX_HEADER_CHARACTERS - 3)}...` : line;
};

const tooLarge = (bytes: number, max: number): VideoExplainerError =>
  new VideoExplainerError(
    "too-large",
    `the answer has ${bytes} bytes, more than the ${max} that the NATS server takes; raise its max_payload`,
  );
