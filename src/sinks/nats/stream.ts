import {
  DiscardPolicy,
  type JetStreamManager,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "nats";
import type { NatsSinkConfig } from "../../config/schema.js";
import { VideoExplainerError } from "../../errors.js";
import { stationSubjects } from "../../messages/headers.js";

/** A JetStream stream that is published into. */
export interface StreamSpec {
  name: string;
  /** e.g. `{prefix}.{station}.>` */
  subjects: string;
  /** Each message is for one consumer, and gone once that has it; else it stays for its time. */
  workQueue?: boolean;
  /** How a sentence goes on that says what else can be done without JetStream; default: as that of a sink does. */
  otherwise?: string;
  maxAgeSeconds: number;
  maxBytes: number;
  storage: "file" | "memory";
  duplicateWindowSeconds: number;
  replicas?: number;
}

/** JetStream's own error numbers, as its API documents them. */
const ERR = {
  notEnabledForAccount: 10039,
  noStorage: 10047,
  noMemory: 10028,
  noMessage: 10037,
  streamNotFound: 10059,
  nameInUse: 10058,
  overlap: 10065,
  notEnabled: 10076,
  noPeers: 10005,
  insufficient: 10023,
  notClustered: 10074,
  noLeader: 10008,
  offline: 10118,
} as const;

export function streamSpec(config: Pick<NatsSinkConfig, "prefix" | "stream">, station: string): StreamSpec {
  const { name, ...limits } = config.stream;
  return { ...limits, name: name ?? `${config.prefix}-${station}`, subjects: stationSubjects(config.prefix, station) };
}

/** The summaries of all sources of a station, in its stream. */
export const summariesOf = ({ prefix }: Pick<NatsSinkConfig, "prefix">, station: string): string =>
  `${prefix}.${station}.*.summary`;

/**
 * Creates the stream, or brings an existing one in line with the configuration; throws one sentence when it cannot.
 * Resolves to a sentence where it can be published into though the servers cannot keep as many replicas as they should.
 */
export async function ensureStream(jsm: JetStreamManager, spec: StreamSpec): Promise<string | undefined> {
  try {
    const existing = await streamInfo(jsm, spec.name);
    if (!existing) {
      await create(jsm, spec);
      return undefined;
    }
    const { config } = existing;
    if (config.storage !== storageType(spec)) {
      throw streamError(
        `JetStream stream ${spec.name} keeps its messages in ${config.storage} but the configuration asks for ${spec.storage}, which cannot be changed later; set stream.storage to ${config.storage} or delete the stream`,
      );
    }
    const changes = differences(config, spec);
    if (Object.keys(changes).length > 0) await jsm.streams.update(spec.name, changes);
    return await replicate(jsm, spec, existing);
  } catch (error) {
    throw await inWords(error, jsm, spec);
  }
}

async function replicate(jsm: JetStreamManager, spec: StreamSpec, existing: StreamInfo): Promise<string | undefined> {
  const { name, replicas } = spec;
  if (replicas === undefined) return undefined;
  const lacking = (words: string | undefined): string =>
    `JetStream stream ${name} is not kept ${replicas} times (${words}); start more servers of the cluster or lower stream.replicas`;
  try {
    const isRight = existing.config.num_replicas === replicas;
    const { cluster } = isRight ? existing : await jsm.streams.update(name, { num_replicas: replicas });
    // A server alone takes the number and does nothing about it.
    return replicas > 1 && !cluster ? lacking("the server is in no cluster") : undefined;
  } catch (error) {
    // Of a refusal, not of an answer that never came.
    if (jetStreamCode(error) === undefined) throw error;
    return lacking((error as NatsError).api_error?.description);
  }
}

/** Ids of the last message stored under each subject; subjects without one are left out. */
export async function lastIds(jsm: JetStreamManager, stream: string, subjects: string[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  await Promise.all(
    subjects.map(async (subject) => {
      try {
        const message = await jsm.streams.getMessage(stream, { last_by_subj: subject });
        ids.set(subject, message.header.get("Nats-Msg-Id"));
      } catch (error) {
        if (jetStreamCode(error) !== ERR.noMessage) throw error;
      }
    }),
  );
  return ids;
}

/** Whether a stream subject takes in everything that `filter` stands for. */
export function covers(subject: string, filter: string): boolean {
  const [wide, narrow] = [subject.split("."), filter.split(".")];
  for (const [i, token] of wide.entries()) {
    if (token === ">") return narrow.length > i;
    const other = narrow[i];
    if (other === undefined || other === ">") return false;
    if (token !== "*" && token !== other) return false;
  }
  return wide.length === narrow.length;
}

/** JetStream's error number of a refusal, where it gave one. */
export function jetStreamCode(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

async function streamInfo(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (jetStreamCode(error) === ERR.streamNotFound) return undefined;
    throw error;
  }
}

async function create(jsm: JetStreamManager, spec: StreamSpec): Promise<void> {
  await jsm.streams.add({
    name: spec.name,
    subjects: [spec.subjects],
    // What somebody waits for is never pushed out by what is newer.
    retention: spec.workQueue ? RetentionPolicy.Workqueue : RetentionPolicy.Limits,
    discard: spec.workQueue ? DiscardPolicy.New : DiscardPolicy.Old,
    storage: storageType(spec),
    num_replicas: spec.replicas ?? 1,
    ...limits(spec),
  });
}

const storageType = (spec: StreamSpec): StorageType =>
  spec.storage === "memory" ? StorageType.Memory : StorageType.File;

// The server refuses a window of duplicates longer than it keeps messages.
const limits = (spec: StreamSpec) => ({
  max_age: nanos(spec.maxAgeSeconds * 1000),
  max_bytes: spec.maxBytes,
  duplicate_window: nanos(Math.min(spec.duplicateWindowSeconds, spec.maxAgeSeconds) * 1000),
});

function differences(config: StreamConfig, spec: StreamSpec): Partial<StreamConfig> {
  const changes: Partial<StreamConfig> = {};
  const wanted = limits(spec);
  for (const key of ["max_age", "max_bytes", "duplicate_window"] as const) {
    if (config[key] !== wanted[key]) changes[key] = wanted[key];
  }
  const subjects = config.subjects ?? [];
  if (!subjects.some((subject) => covers(subject, spec.subjects))) changes.subjects = [...subjects, spec.subjects];
  return changes;
}

async function inWords(error: unknown, jsm: JetStreamManager, spec: StreamSpec): Promise<Error> {
  if (error instanceof VideoExplainerError || !(error instanceof NatsError)) return error as Error;
  switch (jetStreamCode(error)) {
    case ERR.notEnabledForAccount:
      return streamError(
        `JetStream is not enabled for this account of the NATS server; enable it there${otherwise(spec, " or set jetstream: false")}`,
      );
    case ERR.noStorage:
    case ERR.noMemory:
      return streamError(
        `JetStream has no room for stream ${spec.name} of ${mebibytes(spec.maxBytes)} in ${spec.storage} storage; lower stream.maxBytes or give the server more`,
      );
    case ERR.overlap: {
      const other = await jsm.streams.find(spec.subjects).catch(() => "another stream");
      return streamError(
        `JetStream stream ${spec.name} cannot take ${spec.subjects} because stream ${other} already takes messages from there; set stream.name to ${other}, or another prefix or station`,
      );
    }
    case ERR.notEnabled:
      return notEnabled(spec);
    case ERR.noPeers:
    case ERR.insufficient:
    case ERR.notClustered:
      return streamError(
        `JetStream cannot keep stream ${spec.name} ${spec.replicas ?? 1} times (${error.api_error?.description}); start more servers of the cluster or lower stream.replicas`,
      );
    case ERR.noLeader:
      return streamError(
        `JetStream has no leader for stream ${spec.name}, since servers of the cluster are away; it is asked again`,
      );
    case ERR.offline:
      return streamError(
        `JetStream stream ${spec.name} is offline, since the server that keeps it is away or in lame-duck mode; it is waited for (with stream.replicas: 3 the others would go on)`,
      );
  }
  if (error.code === "503") return notEnabled(spec);
  if (error.isPermissionError()) {
    return streamError(
      `the NATS user may not use the JetStream API for stream ${spec.name}; grant it publishing to $JS.API.> and subscribing to _INBOX.>${otherwise(spec, ", or set jetstream: false")}`,
    );
  }
  if (error.code === "TIMEOUT") {
    return streamError(`JetStream does not answer for stream ${spec.name}; it is asked again`);
  }
  return streamError(
    `JetStream refuses stream ${spec.name}: ${error.api_error?.description ?? error.message}; check its limits on the server against the configuration`,
  );
}

const notEnabled = (spec: StreamSpec): Error =>
  streamError(
    `JetStream is not enabled on the NATS server; start nats-server with -js${otherwise(spec, ", or set jetstream: false to publish without it")}`,
  );

/** A clause of what else there is to do, where there is. */
const otherwise = (spec: StreamSpec, usual: string): string => spec.otherwise ?? usual;

const streamError = (message: string): VideoExplainerError => new VideoExplainerError("nats-stream", message);

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`;
