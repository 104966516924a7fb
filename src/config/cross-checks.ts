import { redact } from "../redact.js";
import type { Path } from "../yaml-locate.js";
import { explainFaults, onlyTakesNothing } from "./choice.js";
import { historySink } from "./history-sink.js";
import {
  type Config,
  type NatsSinkConfig,
  SERVICE,
  type SinkConfig,
  type SourceConfig,
  type ViewerSinkConfig,
} from "./schema.js";
import { withNames } from "./sink-names.js";
import { streamFaults } from "./stream-url.js";

/** The parts of a configuration that are valid in themselves; the rest is undefined. */
export interface PartialConfig {
  sources: readonly (SourceConfig | undefined)[];
  sinks: readonly (SinkConfig | undefined)[];
  metrics?: Config["metrics"];
  explain?: Config["explain"];
  role?: Config["role"];
  fleet?: Config["fleet"];
  /** What was written, before defaults. */
  written: unknown;
}

/** A contradiction between parts, at the place of the later one. */
export interface Contradiction {
  path: Path;
  text: string;
}

type Check = (config: PartialConfig) => Contradiction[];
type Entry<T> = readonly [T, number];

const entries = <T>(list: readonly (T | undefined)[]): Entry<T>[] =>
  list.flatMap((item, i): Entry<T>[] => (item === undefined ? [] : [[item, i]]));

const sinksOf = <K extends SinkConfig["kind"]>(config: PartialConfig, kind: K) =>
  entries(config.sinks).filter((entry): entry is Entry<Extract<SinkConfig, { kind: K }>> => entry[0].kind === kind);

/** Reports each entry whose key an earlier one has. */
function repeated<T>(
  list: Entry<T>[],
  key: (item: T) => string,
  report: (item: T, i: number, first: number) => Contradiction,
) {
  const seen = new Map<string, number>();
  return list.flatMap(([item, i]) => {
    const first = seen.get(key(item));
    if (first !== undefined) return [report(item, i, first)];
    seen.set(key(item), i);
    return [];
  });
}

const scheme = (url: string): string => /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? "";
const LIVE = new Set(["rtsp", "rtsps", "rtmp", "rtmps", "rtmpt", "udp", "tcp", "srt", "rtp", "mms", "rist"]);
const isLive = (url: string): boolean => LIVE.has(scheme(url)) || /^\/dev\/video/.test(url);

const WILDCARDS = new Set(["0.0.0.0", "::", "[::]", ""]);
const LOOPBACK = new Set(["localhost", "127.0.0.1", "::1", "[::1]"]);

/** True when two listeners cannot both have this address. */
function collide(a: { host: string; port: number }, b: { host: string; port: number }): boolean {
  if (a.port === 0 || a.port !== b.port) return false;
  if (WILDCARDS.has(a.host) || WILDCARDS.has(b.host)) return true;
  return a.host === b.host || (LOOPBACK.has(a.host) && LOOPBACK.has(b.host));
}

// From what was written: a name counts although its source has another fault.
const sourceNames: Check = ({ written }) => {
  const { sources } = Object(written) as { sources?: unknown };
  const names = (Array.isArray(sources) ? sources : []).map((source) => (Object(source) as { name?: unknown }).name);
  return repeated(
    entries(names.map((name) => (typeof name === "string" ? name : undefined))),
    (name) => name,
    (_, i, first) => ({
      path: ["sources", i, "name"],
      text: `sources[${i}].name is already the name of sources[${first}]; names must differ`,
    }),
  );
};

/** What a source contradicts by itself: a key of it, and what is said of the key. */
export interface SourceFault {
  key: "loop" | "pace" | "truth" | "transport" | "region";
  text: string;
}

/** The faults of one source that is valid key by key. */
export function sourceFaults(source: SourceConfig): SourceFault[] {
  const { url, loop, pace, truth, transport, region, width, height } = source;
  const faults: SourceFault[] = [];
  if (isLive(url)) {
    const text = `has no meaning for a live source (${scheme(url) || "device"}); leave it out`;
    if (loop) faults.push({ key: "loop", text });
    if (pace) faults.push({ key: "pace", text });
    if (truth) faults.push({ key: "truth", text });
  }
  if (transport === "udp" && !["rtsp", "rtsps"].includes(scheme(url)))
    faults.push({ key: "transport", text: "is for rtsp:// sources only; leave it out" });
  const limit = (start: "x" | "y", extent: "width" | "height", of: number | undefined): void => {
    const end = region ? region[start] + region[extent] : 0;
    if (of === undefined || end <= of) return;
    const text = `reaches to ${start} = ${end}, beyond the frame's ${extent} of ${of}; make it smaller`;
    faults.push({ key: "region", text });
  };
  limit("x", "width", width);
  limit("y", "height", height);
  return faults;
}

const eachSource: Check = (config) =>
  entries(config.sources).flatMap(([source, i]) =>
    sourceFaults(source).map(({ key, text }) => ({
      path: ["sources", i, key],
      text: `sources[${i}].${key} ${text}`,
    })),
  );

const viewerPorts: Check = (config) => {
  const viewers = sinksOf(config, "viewer");
  const faults: Contradiction[] = [];
  const earlier: Entry<ViewerSinkConfig>[] = [];
  for (const [viewer, i] of viewers) {
    const path = ["sinks", i, "port"];
    const other = earlier.find(([sink]) => collide(sink, viewer));
    if (other)
      faults.push({
        path,
        text: `sinks[${i}].port ${viewer.port} is already taken by sinks[${other[1]}]; choose another`,
      });
    if (config.metrics && collide(config.metrics, viewer)) {
      faults.push({
        path,
        text: `sinks[${i}].port ${viewer.port} is also metrics.port; choose another for one of them`,
      });
    }
    earlier.push([viewer, i]);
  }
  return faults;
};

const twins: Check = (config) => [
  ...repeated(
    sinksOf(config, "nats"),
    (sink) => `${sink.prefix} ${[...sink.servers].sort().join(" ")}`,
    (_, i, first) => ({
      path: ["sinks", i],
      text: `sinks[${i}] publishes to the same servers and prefix as sinks[${first}]; leave one out, or give it another prefix`,
    }),
  ),
  ...repeated(
    sinksOf(config, "files"),
    (sink) => sink.path.replace(/\/+$/, ""),
    (_, i, first) => ({
      path: ["sinks", i, "path"],
      text: `sinks[${i}].path is already the folder of sinks[${first}]; choose another`,
    }),
  ),
  ...repeated(
    sinksOf(config, "stream"),
    (sink) => sink.url.replace(/\/+$/, ""),
    (_, i, first) => ({
      path: ["sinks", i, "url"],
      text: `sinks[${i}].url is already where sinks[${first}] pushes to; choose another`,
    }),
  ),
  ...repeated(
    sinksOf(config, "stdout"),
    () => "",
    (_, i, first) => ({
      path: ["sinks", i],
      text: `sinks[${i}] writes to stdout as sinks[${first}] does; leave one out`,
    }),
  ),
];

const sinkNames: Check = (config) =>
  repeated(
    entries(config.sinks.map((sink) => sink?.name)),
    (name) => name,
    (_, i, first) => ({
      path: ["sinks", i, "name"],
      text: `sinks[${i}].name is already the name of sinks[${first}]; names must differ`,
    }),
  );

/** The part of a configuration that says where and as whom to connect. */
type NatsAccess = Pick<NatsSinkConfig, "servers" | "password" | "tls" | (typeof LOGINS)[number]>;

const LOGINS = ["user", "token", "credentials", "nkey", "nkeyFile"] as const;

/** What contradicts itself in how a server is reached and logged in to. */
function accessFaults(access: NatsAccess, say: (path: Path, name: string, text: string) => unknown): void {
  if (access.password !== undefined && access.user === undefined) say(["password"], "password", "needs user beside it");
  if (access.user !== undefined && access.password === undefined) say(["user"], "user", "needs password beside it");
  const ways = LOGINS.filter((key) => access[key] !== undefined || (key === "user" && access.password !== undefined));
  for (const way of ways.slice(1)) {
    const first = ways[0] === "user" ? "user with password" : ways[0];
    say([way], way, `and ${first} exclude each other; keep one way to log in`);
  }
  const { cert, key } = access.tls ?? {};
  if (cert !== undefined && key === undefined) say(["tls", "cert"], "tls.cert", "needs tls.key beside it");
  if (key !== undefined && cert === undefined) say(["tls", "key"], "tls.key", "needs tls.cert beside it");
  for (const [j, server] of access.servers.entries()) {
    const kind = /^([a-z][a-z0-9+.-]*):\/\//i.exec(server)?.[1];
    if (kind === undefined || ["nats", "tls"].includes(kind.toLowerCase())) continue;
    // A variable may have put a secret there.
    say(["servers", j], `servers[${j}]`, `begins with ${redact(kind)}://; use nats:// or tls://`);
  }
}

function natsFaults(sink: NatsSinkConfig, i: number, written: unknown): Contradiction[] {
  const faults: Contradiction[] = [];
  const say = (path: Path, name: string, text: string) =>
    faults.push({ path: ["sinks", i, ...path], text: `sinks[${i}].${name} ${text}` });
  const keys = Object(written) as { stream?: unknown; jetstream?: unknown };
  // `jetstream: false` beside a stream is a switch turned off, not a contradiction.
  if (keys.stream !== undefined && keys.jetstream === undefined) {
    say(["stream"], "stream", "has no effect without jetstream: true; set that, or leave it out");
  }
  const { duplicateWindowSeconds, maxAgeSeconds } = sink.stream;
  if (duplicateWindowSeconds > maxAgeSeconds) {
    const text = `of ${duplicateWindowSeconds} is longer than stream.maxAgeSeconds of ${maxAgeSeconds}, which NATS refuses; make it no longer`;
    const explicit = "duplicateWindowSeconds" in Object(keys.stream);
    say(["stream", explicit ? "duplicateWindowSeconds" : "maxAgeSeconds"], "stream.duplicateWindowSeconds", text);
  }
  accessFaults(sink, say);
  return faults;
}

const nats: Check = (config) => {
  const written = (config.written as { sinks?: unknown[] } | null)?.sinks;
  return sinksOf(config, "nats").flatMap(([sink, i]) => natsFaults(sink, i, written?.[i]));
};

/** Whether requests may add sources that the configuration does not name. */
const mayGrow = (config: PartialConfig): boolean =>
  sinksOf(config, "nats").some(([sink]) => sink.service.includes("sources"));

const streams: Check = (config) => {
  // A source that has a fault of its own has a name, too.
  const isKnown = config.sources.every((source) => source !== undefined) && !mayGrow(config);
  const known = isKnown ? entries(config.sources).map(([{ name }]) => name) : undefined;
  const written = (config.written as { sinks?: unknown[] } | null)?.sinks;
  return sinksOf(config, "stream").flatMap(([sink, i]) =>
    // A variable may have put a secret there.
    streamFaults(sink, known, Object.keys(Object(written?.[i]))).map(({ key, text }) => ({
      path: ["sinks", i, key],
      text: `sinks[${i}].${key} ${redact(text)}`,
    })),
  );
};

const histories: Check = (config) => {
  const named = withNames(entries(config.sinks).map(([sink]) => sink));
  return sinksOf(config, "viewer").flatMap(([{ history }, i]) => {
    if (!history || historySink(history, named)) return [];
    const what = history.sink === undefined ? "a nats sink" : `a nats sink named ${history.sink}`;
    const text = `sinks[${i}].history needs ${what} with jetstream: true, whose stream is read; add one, or leave it out`;
    return [{ path: ["sinks", i, "history"], text }];
  });
};

const fleet: Check = ({ fleet }) => {
  const faults: Contradiction[] = [];
  if (!fleet) return faults;
  accessFaults(fleet, (path, name, text) => faults.push({ path: ["fleet", ...path], text: `fleet.${name} ${text}` }));
  if (fleet.answerSeconds * 1000 < fleet.maxAgeMs) {
    const text = `fleet.answerSeconds of ${fleet.answerSeconds} is over before fleet.maxAgeMs of ${fleet.maxAgeMs}; make it longer`;
    faults.push({ path: ["fleet", "answerSeconds"], text });
  }
  return faults;
};

const emptyPublish: Check = (config) =>
  entries(config.sinks).flatMap(([sink, i]) =>
    "publish" in sink && sink.publish.length === 0
      ? [
          {
            path: ["sinks", i, "publish"],
            text: `sinks[${i}].publish is empty, so the sink does nothing; name what to publish or leave the sink out`,
          },
        ]
      : [],
  );

const choices: Check = ({ explain, sinks }) => [
  ...(explain ? explainFaults(explain) : []).map(({ path, text }) => ({ path: ["explain", ...path], text })),
  ...entries(sinks).flatMap(([sink, i]) => {
    if (!onlyTakesNothing(sink.only)) return [];
    const text = `sinks[${i}].only takes no frame; give it labels, below, changed or explained, or leave it out`;
    return [{ path: ["sinks", i, "only"], text }];
  }),
];

/** Requests to a service under such subjects would be stored, and answered by the stream. */
const servicePrefix: Check = (config) =>
  sinksOf(config, "nats").flatMap(([sink, i]) =>
    sink.prefix === SERVICE && sink.jetstream && sink.service.length > 0
      ? [
          {
            path: ["sinks", i, "prefix"],
            text: `sinks[${i}].prefix ${SERVICE} is where requests to the service go; choose another, or set service: []`,
          },
        ]
      : [],
  );

/** Who may only ask would write into a station's topics, or ask in the worker's name. */
const inboxPrefixes: Check = (config) => {
  const sinks = sinksOf(config, "nats");
  const topics = new Set([SERVICE, ...sinks.map(([sink]) => sink.prefix)]);
  return sinks.flatMap(([sink, i]) =>
    sink.inboxPrefixes.flatMap((prefix, j) => {
      const [first] = prefix.split(".");
      if (!topics.has(first!)) return [];
      const text = `sinks[${i}].inboxPrefixes[${j}] ${prefix} would let who asks have answers stored as if they were the station's; leave it out`;
      return [{ path: ["sinks", i, "inboxPrefixes", j], text }];
    }),
  );
};

/** An explain worker needs none of them. */
const someParts: Check = ({ role, written }) => {
  if (role === "explain" || typeof written !== "object" || Array.isArray(written)) return [];
  const { sources, sinks } = Object(written) as { sources?: unknown; sinks?: unknown };
  const faults: Contradiction[] = [];
  if (sources === undefined)
    faults.push({
      path: [],
      text: "sources is missing; give a list (may be empty when a nats sink serves `sources`)",
    });
  if (sinks === undefined) faults.push({ path: [], text: "sinks is missing; give a list" });
  if (Array.isArray(sinks) && sinks.length === 0)
    faults.push({ path: ["sinks"], text: "sinks must have at least one entry" });
  return faults;
};

const someSource: Check = (config) => {
  if (config.role === "explain") return [];
  const { sources } = Object(config.written) as { sources?: unknown };
  if (!Array.isArray(sources) || sources.length > 0) return [];
  if (mayGrow(config)) return [];
  const text =
    "sources must have at least one entry, since no nats sink with the service `sources` is there to add one later";
  return [{ path: ["sources"], text }];
};

/** One line adds a check. */
const CHECKS: readonly Check[] = [
  sourceNames,
  eachSource,
  viewerPorts,
  twins,
  sinkNames,
  nats,
  streams,
  histories,
  servicePrefix,
  inboxPrefixes,
  someParts,
  someSource,
  fleet,
  emptyPublish,
  choices,
];

/** Contradictions between parts that are each valid. */
export const crossChecks = (config: PartialConfig): Contradiction[] => CHECKS.flatMap((check) => check(config));
