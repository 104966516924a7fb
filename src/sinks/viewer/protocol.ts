import type { Placement } from "../../frame.js";
import type { SourceStatus, Summary, Warning } from "../../messages/summary.js";
import type { PageStyle } from "./style.js";

/**
 * One frame's decision, as sent to browsers and kept for those that come later: arrival time (Unix ms), label, its
 * probability, concentration, positive share, negative share (null when only classified), end-to-end ms.
 */
export type Row = [
  at: number,
  label: string,
  probability: number,
  concentration: number | null,
  positive: number | null,
  negative: number | null,
  totalMs: number,
];

/** The newest of one source, without pictures. */
export interface SourceNews {
  /** Frames since the last news, oldest first. */
  rows: Row[];
  summary?: Pick<Summary, "sequence" | "frame" | "model" | "classification" | "capturedAt"> & {
    /** Of the last frame that was explained, as are the warnings. */
    scale: number | null;
    warnings: readonly Warning[];
    /** What the source's `truth` says of this frame, and said of the last explained one in whose mask relevance was to lie. */
    truth?: Summary["truth"];
    lastInside?: Summary["truth"];
  };
  status?: SourceStatus;
}

export interface SourceSnapshot extends SourceNews {
  key: string;
  station: string;
  source: string;
}

/** A decision that is kept, as lists show it: arrival time in Unix ms, and why the frame was explained, where it was told. */
export interface DecisionRow {
  id: string;
  at: number;
  label: string;
  probability: number;
  why: readonly string[];
  /** Where the source's `truth` knows of it. */
  truth?: Summary["truth"];
}

/** Decisions of a source that came, and the ids of those that made room. */
export interface DecisionNews {
  key: string;
  added: DecisionRow[];
  removed: string[];
}

/** Text messages to a browser. `now` is the server's clock in Unix ms. */
export type ServerMessage =
  | { type: "hello"; now: number; sources: SourceSnapshot[]; decisions: DecisionNews[]; style: PageStyle }
  | { type: "style"; style: PageStyle }
  | { type: "news"; now: number; sources: (SourceNews & { key: string })[] }
  | { type: "decisions"; now: number; news: DecisionNews[] }
  | { type: "gone"; now: number; keys: string[] };

/** Text messages from a browser: a picture was drawn; only these sources are looked at (null: all). */
export type ClientMessage = { type: "ack"; key: string; id: number } | { type: "watch"; keys: string[] | null };

/** First part of a picture message; the pictures follow in this order, `bytes` each (0: absent). */
export interface PictureHeader {
  key: string;
  /** Counts the pictures of a source at this server; the browser acknowledges it. */
  id: number;
  sequence: number;
  frame: { width: number; height: number };
  placement: Placement | null;
  bytes: { original: number; heatmap: number; overlay: number };
}

export interface Pictures {
  original?: Uint8Array;
  heatmap?: Uint8Array;
  overlay?: Uint8Array;
}

/** Little-endian uint32 length of the header, the header as JSON, the pictures. */
export function encodePicture(header: Omit<PictureHeader, "bytes">, pictures: Pictures): Buffer {
  const { original, heatmap, overlay } = pictures;
  const bytes = {
    original: original?.byteLength ?? 0,
    heatmap: heatmap?.byteLength ?? 0,
    overlay: overlay?.byteLength ?? 0,
  };
  const json = Buffer.from(JSON.stringify({ ...header, bytes } satisfies PictureHeader));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.byteLength);
  const parts: Uint8Array[] = [length, json];
  for (const part of [original, heatmap, overlay]) if (part) parts.push(part);
  return Buffer.concat(parts);
}

/** Of sources that a browser looks at: so many at most, and characters in `station/source`. */
const LIMITS = { keys: 2_000, keyLength: 127 };
const isKey = (value: unknown): value is string => typeof value === "string" && value.length <= LIMITS.keyLength;

/** A browser's message, or null when it is not one. */
export function parseClientMessage(text: string): ClientMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { type, key, id, keys } = value as Record<string, unknown>;
  if (type === "ack" && isKey(key) && typeof id === "number") return { type, key, id };
  if (type === "watch" && keys === null) return { type, keys };
  if (type === "watch" && Array.isArray(keys) && keys.length <= LIMITS.keys && keys.every(isKey)) return { type, keys };
  return null;
}
