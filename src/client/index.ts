import type { Msg, NatsConnection } from "nats";
import type { z } from "zod";
import type { SourceConfig } from "../config/schema.js";
import { SUBJECT_TOKEN } from "../messages/headers.js";
import type { MessageKind } from "../messages/message.js";
import { parseBody } from "../messages/parse-body.js";
import { type SourceStatus, type Summary, statusSchema, summarySchema } from "../messages/summary.js";
import { type HeatmapPlacement, placementOf } from "./placement.js";
import { configReply, explainReply, sourceAddedReply, sourceRemovedReply, sourcesReply } from "./replies.js";

export type { SourceStatus, Summary } from "../messages/summary.js";
export type { DrawOptions } from "./draw.js";
export type { HeatmapPlacement } from "./placement.js";

export interface ClientOptions {
  /** Name of the station; `"*"` for all of them, where nothing is asked of it. */
  station: string;
  /** `prefix` of its nats sink. Default: `explain`. */
  prefix?: string;
  /** For an answer. Default: 10,000. */
  timeoutMs?: number;
  /** A message could not be read and is left out; one sentence. Default: a warning of the process. */
  onFault?(sentence: string): void;
}

/** What every message tells of its frame. */
export interface Received {
  station: string;
  source: string;
  /** Of the frame within its source; gaps are frames that were dropped and counted. */
  sequence: number;
  /** When the frame was captured, ISO 8601. */
  time: string;
  /** The same for the same message, should it come twice. */
  id: string;
}

export interface ReceivedSummary extends Received {
  summary: Summary;
}
export interface ReceivedStatus extends Received {
  status: SourceStatus;
}
export interface ReceivedPicture extends Received {
  /** JPEG. */
  picture: Uint8Array;
}
export interface ReceivedHeatmap extends Received {
  /** 8-bit grey PNG as large as the model's input: 128 is zero, 255 is +`scale`, 1 is -`scale`. */
  heatmap: Uint8Array;
  /** Share of the decision per pixel of the model's input at the ends of the grey scale. */
  scale: number;
  /** Where it lies on the frame; undefined from a worker before 0.2. */
  placement: HeatmapPlacement | undefined;
}

/** Messages as they come, from the call on. */
export interface Messages<T> extends AsyncIterable<T> {
  /** Ends the loop over them. */
  stop(): void;
}

/** An answer of the service that says why nothing was done. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  constructor(
    /** In the manner of HTTP: 400 the request is wrong, 404 no such source, 409 the name is taken, 413 too large, 503 later. */
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export interface ExplainedPicture {
  summary: Summary;
  /** JPEG of the whole picture with its heat. */
  overlay: Uint8Array;
  /** 8-bit grey PNG of the model's input, 128 = zero. */
  heatmap: Uint8Array;
}

export type NewSource = Pick<SourceConfig, "name" | "url"> & Partial<Omit<SourceConfig, "inputOptions">>;

/** A station as a subscriber and asker sees it. `source`: one of its sources, or all. */
export interface StationClient {
  summaries(source?: string): Messages<ReceivedSummary>;
  overlays(source?: string): Messages<ReceivedPicture>;
  heatmaps(source?: string): Messages<ReceivedHeatmap>;
  /** Frames as they were decoded, where the sink publishes them. */
  originals(source?: string): Messages<ReceivedPicture>;
  statuses(source?: string): Messages<ReceivedStatus>;
  /** Has one picture (JPEG, PNG, WebP …) explained. */
  explain(picture: Uint8Array): Promise<ExplainedPicture>;
  listSources(): Promise<z.infer<typeof sourcesReply>>;
  addSource(source: NewSource): Promise<SourceStatus>;
  removeSource(name: string): Promise<SourceStatus>;
  /** The whole configuration as it is in force, secrets masked. */
  getConfig(): Promise<Record<string, unknown>>;
  /** Changes `explain` and `overlay` until the next start; resolves to the configuration when they are in force. */
  setConfig(changes: { explain?: object; overlay?: object }): Promise<Record<string, unknown>>;
}

/** The station of this name behind a connection, which stays the caller's own. Throws where a name is no part of a subject. */
export function stationClient(nc: NatsConnection, options: ClientOptions): StationClient {
  const { station, prefix = "explain", timeoutMs = 10_000 } = options;
  const { onFault = (sentence: string) => process.emitWarning(sentence, "VideoExplainerClient") } = options;
  for (const [key, name] of Object.entries({ station, prefix })) {
    if (!SUBJECT_TOKEN.test(name) && !(key === "station" && name === "*"))
      throw new TypeError(`${key} ${JSON.stringify(name)} cannot be part of a NATS subject`);
  }
  const asked = `video-explainer.${station}`;

  /** Subscribes at once; what `read` has a fault for is left out. */
  function follow<T>(kind: MessageKind, source: string, read: (message: Msg, about: Received) => T): Messages<T> {
    const subscription = nc.subscribe(`${prefix}.${station}.${source}.${kind}`);
    return {
      stop: () => subscription.unsubscribe(),
      async *[Symbol.asyncIterator]() {
        for await (const message of subscription) {
          let value: T;
          try {
            value = read(message, aboutOf(message));
          } catch (error) {
            onFault(`a message on ${message.subject} cannot be read: ${(error as Error).message}`);
            continue;
          }
          yield value;
        }
      },
    };
  }

  const ask = async <T>(what: string, schema: z.ZodType<T>, body: Uint8Array | object = {}): Promise<T> => {
    const bytes = body instanceof Uint8Array ? body : new TextEncoder().encode(JSON.stringify(body));
    const answer = await nc.request(`${asked}.${what}`, bytes, { timeout: timeoutMs });
    const code = Number(answer.headers?.get("Nats-Service-Error-Code") || 0);
    if (code > 0) throw new ServiceError(code, answer.headers!.get("Nats-Service-Error"));
    return readBody(schema, answer.data);
  };

  const picture = (message: Msg, about: Received): ReceivedPicture => ({ ...about, picture: message.data });
  return {
    summaries: (source = "*") =>
      follow("summary", source, ({ data }, about) => ({ ...about, summary: readBody(summarySchema, data) })),
    overlays: (source = "*") => follow("overlay", source, picture),
    heatmaps: (source = "*") =>
      follow("heatmap", source, ({ data, headers }, about) => ({
        ...about,
        heatmap: data,
        scale: Number(headers?.get("Relevance-Scale")),
        placement: placementOf(headers?.get("Heatmap-Placement")),
      })),
    originals: (source = "*") => follow("original", source, picture),
    statuses: (source = "*") =>
      follow("status", source, ({ data }, about) => ({ ...about, status: readBody(statusSchema, data) })),
    explain: async (bytes) => {
      const { summary, overlay, heatmap } = await ask("explain", explainReply, bytes);
      return { summary, overlay: decoded(overlay.data), heatmap: decoded(heatmap.data) };
    },
    listSources: () => ask("sources.list", sourcesReply),
    addSource: async (source) => (await ask("sources.add", sourceAddedReply, source)).added,
    removeSource: async (name) => (await ask("sources.remove", sourceRemovedReply, { name })).removed,
    getConfig: async () => (await ask("config.get", configReply)).config,
    setConfig: async (changes) => (await ask("config.set", configReply, changes)).config,
  };
}

/**
 * Draws a heatmap on a frame of one's own (JPEG, PNG, WebP …), in whatever size it has of the station's frame; resolves to a JPEG of the
 * frame's size. Loads the picture library sharp, which nothing else here does.
 */
export async function drawHeatmap(
  frame: Uint8Array,
  heatmap: Pick<ReceivedHeatmap, "heatmap" | "placement">,
  options: import("./draw.js").DrawOptions = {},
): Promise<Uint8Array> {
  const { draw } = await import("./draw.js");
  return draw(frame, heatmap, options);
}

function aboutOf({ subject, headers }: Msg): Received {
  const [station, source] = subject.split(".").slice(-3);
  const header = (name: string): string => headers?.get(name) ?? "";
  const [sequence, time, id] = [Number(header("Frame-Sequence")), header("Frame-Time"), header("Nats-Msg-Id")];
  return { station: station!, source: source!, sequence, time, id };
}

function readBody<T>(schema: z.ZodType<T>, body: Uint8Array): T {
  const read = parseBody(schema, body);
  if ("fault" in read) throw new Error(read.fault);
  return read.value;
}

const decoded = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));
