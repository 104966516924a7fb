import { Command, Option } from "commander";
import type { Msg } from "nats";
import { type ViewerSinkConfig, viewerSinkSchema } from "../config/schema.js";
import { InputError, VideoExplainerError } from "../errors.js";
import { SUBJECT_TOKEN } from "../messages/headers.js";
import { jsonLine } from "../messages/json-line.js";
import type { OutMessage } from "../messages/message.js";
import { parseBody } from "../messages/parse-body.js";
import { type SourceStatus, type Summary, statusSchema, summarySchema } from "../messages/summary.js";
import { learnSecrets, redact } from "../redact.js";
import { readLogin } from "../sinks/nats/login.js";
import { type NatsServers, readServers } from "../sinks/nats/servers.js";
import type { SinkContext } from "../sinks/sink.js";
import { createViewerSink } from "../sinks/viewer/index.js";
import { wholeNumber } from "./arguments.js";
import { onSignal } from "./signals.js";
import { createFrameAssembler } from "./watch-frames.js";
import { createLines } from "./watch-lines.js";
import { followTopics, received, topicOf } from "./watch-topics.js";

/** Unread output beyond which lines for people are left out, and a reader of JSON lines is given up. */
const LIMITS = { lineBytes: 1024 * 1024, jsonBytes: 256 * 1024 * 1024 };

interface WatchOptions {
  server: string[];
  creds?: string;
  nkeyFile?: string;
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  prefix: string;
  station: string;
  source: string;
  json?: boolean;
  count?: number;
  view?: boolean;
  host: string;
  port: number;
  allowHost: string[];
  token?: string;
}

const say = (text: string): void => void process.stderr.write(`${redact(text)}\n`);

function readName(option: string, text: string, anyAllowed: boolean): string {
  if ((anyAllowed && text === "*") || SUBJECT_TOKEN.test(text)) return text;
  const any = anyAllowed ? ", or * for all" : "";
  const rule = `use letters, digits, - or _, beginning with a letter or digit${any}`;
  throw new InputError("watch-name", `--${option} ${JSON.stringify(text)} cannot be part of a NATS subject: ${rule}`);
}

/** Refused without repeating it: it is a secret. */
function readToken(text: string | undefined): string | undefined {
  const { error, data } = viewerSinkSchema.shape.token.safeParse(text);
  if (error) throw new InputError("watch-token", `--token is not usable: it ${error.issues[0]!.message}`);
  learnSecrets({ token: data }, true);
  return data;
}

function readHosts(names: string[]): string[] {
  const { error } = viewerSinkSchema.shape.hosts.safeParse(names);
  if (!error) return names;
  const wrong = names[Number(error.issues[0]!.path[0])];
  throw new InputError("watch-host", `--allow-host ${JSON.stringify(wrong)} ${error.issues[0]!.message}`);
}

/** A page over the topics, and where the messages for it go. */
async function openView(page: Omit<ViewerSinkConfig, "kind">, station: string) {
  const { events, log }: Pick<SinkContext, "events" | "log"> = {
    events: {
      onPublished: () => undefined,
      onError: (error) => say(error.message),
      onDropped: () => undefined,
      onConnected: () => undefined,
    },
    log: { debug: () => undefined, info: say, warn: say, error: say },
  };
  const sink = createViewerSink({ kind: "viewer", ...page }, { station, events, log, baseDir: "." });
  await sink.connect();
  const frames = createFrameAssembler((outcome) => void sink.write(outcome));
  return {
    add: frames.add,
    addStatus: (out: OutMessage, status: SourceStatus) =>
      void sink.write({ source: out.source, status, messages: [out] }),
    async close() {
      frames.close();
      await sink.close(1000);
    },
  };
}

/** Servers and login; what cannot be right is refused before anything is opened. */
async function accessOf(options: WatchOptions): Promise<NatsServers> {
  const { creds: credentials, nkeyFile, tlsCa: ca, tlsCert: cert, tlsKey: key } = options;
  const contradiction = (text: string) => new InputError("watch-login", text);
  if (credentials && nkeyFile)
    throw contradiction("--creds and --nkey-file exclude each other; keep one way to log in");
  if (cert && !key) throw contradiction("--tls-cert needs --tls-key beside it");
  if (key && !cert) throw contradiction("--tls-key needs --tls-cert beside it");
  const tls = ca || cert ? { ca, cert, key, handshakeFirst: false } : undefined;
  const servers = readServers({ servers: options.server, credentials, nkeyFile, tls });
  await readLogin(servers);
  return servers;
}

async function watch(options: WatchOptions): Promise<void> {
  const servers = await accessOf(options);
  const prefix = readName("prefix", options.prefix, false);
  const station = readName("station", options.station, true);
  const source = readName("source", options.source, true);
  const { count = Infinity } = options;
  const page = {
    host: options.host,
    port: options.port,
    decisions: viewerSinkSchema.shape.decisions.parse(undefined),
    hosts: readHosts(options.allowHost),
    token: readToken(options.token),
  };

  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  onSignal(stop);

  const view = options.view ? await openView(page, station) : undefined;
  const { stdout } = process;
  const colours = stdout.isTTY === true && !process.env.NO_COLOR;
  const lines = createLines({ colours, withStation: station === "*" });
  const blamed = new Set<string>();
  let seen = 0;
  let skipped = 0;
  let failure: Error | undefined;

  const print = (line: string): void => {
    if (stdout.writableLength > LIMITS.lineBytes) {
      skipped++;
      return;
    }
    if (skipped > 0) stdout.write(`(${skipped} lines left out: the reader is too slow)\n`);
    skipped = 0;
    stdout.write(`${line}\n`);
  };
  const printJson = (body: Uint8Array): void => {
    if (stdout.writableLength > LIMITS.jsonBytes) {
      failure = new VideoExplainerError(
        "watch-reader",
        "the reader of standard output is too slow: let it read faster, or watch fewer sources with --source",
      );
      return stop();
    }
    stdout.write(`${jsonLine(body)}\n`);
  };
  const blame = (subject: string, fault: string): void => {
    if (!blamed.has(subject))
      say(`a message on ${subject} cannot be read, ${fault}; further ones there are left out silently`);
    blamed.add(subject);
  };

  const onSummary = (summary: Summary, body: Uint8Array): void => {
    seen++;
    if (options.json) printJson(body);
    else if (!view) print(lines.summary(summary));
    if (seen >= count) stop();
  };
  const onStatus = (status: SourceStatus): void => {
    const line = options.json ? null : lines.status(status);
    if (line !== null) print(line);
  };

  const onMessage = (message: Msg): void => {
    const topic = topicOf(message.subject);
    if (!topic || stopping.signal.aborted) return;
    const { frame, out } = received(topic, message);
    if (topic.kind === "summary") {
      const parsed = parseBody(summarySchema, message.data);
      if ("fault" in parsed) return blame(message.subject, parsed.fault);
      view?.add(frame, out, parsed.value);
      onSummary(parsed.value, message.data);
    } else if (topic.kind === "status") {
      const parsed = parseBody(statusSchema, message.data);
      if ("fault" in parsed) return blame(message.subject, parsed.fault);
      view?.addStatus(out, parsed.value);
      onStatus(parsed.value);
    } else view?.add(frame, out);
  };

  const kinds = view ? ["*"] : ["summary", "status"];
  const subjects = kinds.map((kind) => `${prefix}.${station}.${source}.${kind}`);
  try {
    await followTopics(servers, subjects, onMessage, say, stopping.signal);
  } finally {
    await view?.close();
  }
  if (failure) throw failure;
}

/** `video-explainer watch` */
export const watchCommand = (): Command =>
  new Command("watch")
    .description("follow the topics of workers: summaries in the terminal, or the live page")
    .option("--server <url...>", "NATS servers, with credentials where needed", ["nats://127.0.0.1:4222"])
    .option("--creds <file>", "credentials of a NATS user (.creds)")
    .option("--nkey-file <file>", "seed of a NATS user's nkey")
    .option("--tls-ca <file>", "authorities to trust, as PEM; encrypts")
    .option("--tls-cert <file>", "own certificate, where the servers ask for one; encrypts")
    .option("--tls-key <file>", "its key")
    .option("--prefix <name>", "first part of the topics", "explain")
    .option("--station <name>", "one station, or * for all", "*")
    .option("--source <name>", "one source, or * for all", "*")
    .option("--json", "print summaries as they were published, one JSON object a line")
    .option("--count <n>", "end after so many summaries", wholeNumber(1))
    .option("--view", "serve the live page from the topics; the terminal then shows changes of state alone")
    .option("--host <address>", "address of the live page; 0.0.0.0 opens it to the network", "127.0.0.1")
    .option("--port <n>", "port of the live page; 0 takes a free one", wholeNumber(0, 65_535), 8081)
    .option("--allow-host <name...>", "names under which the live page is opened, where no token is set", [])
    .addOption(
      new Option("--token <text>", "show the live page only to who opens it with ?token=<text>").env("VIEW_TOKEN"),
    )
    .addHelpText(
      "after",
      `
Goes on until Ctrl-C. While the server is away it says so and keeps trying.

Examples:
  $ video-explainer watch --server nats://10.0.0.2:4222 --source cam-1
  $ video-explainer watch --json --count 100 | jq .classification.target.label
  $ video-explainer watch --view --port 8081
  $ VIEW_TOKEN=… video-explainer watch --view --host 0.0.0.0   # not in the list of processes, as --token is`,
    )
    .action(watch);
