import { headers, type MsgHdrs } from "nats";
import { z } from "zod";
import { VideoExplainerError } from "../errors.js";
import type { ExplainInput, Explanation, ModelInfo } from "../explain/explanation.js";
import { SUBJECT_TOKEN } from "../messages/headers.js";
import { DROP_REASONS } from "../messages/ledger.js";

/*
 * What goes over the bus between captures and explain workers. Whoever may publish there can write anything: both sides
 * take only what these schemas and sizes say.
 */

const REQUEST = "Explain-Request";
const MAX_REQUEST_CHARACTERS = 2000;
const MAX_REPORT_BYTES = 512 * 1024;
const MAX_SENTENCE = 2000;

export const PICTURE_TYPES = { png: "image/png", jpeg: "image/jpeg", raw: "application/octet-stream" } as const;
export type PictureType = keyof typeof PICTURE_TYPES;

const typeOf = (contentType: string | undefined): PictureType | undefined =>
  (["png", "jpeg", "raw"] as const).find((type) => PICTURE_TYPES[type] === contentType);

const number = z.number();
const requestSchema = z.strictObject({
  /** Of the frame and what is asked of it: also that of the message, and of the answer's. */
  id: z.string().regex(/^[A-Za-z0-9_-]{1,250}$/),
  run: z.string().regex(SUBJECT_TOKEN),
  live: z.boolean(),
  /** Milliseconds since its capture, when it was sent. */
  ageMs: number.min(0),
  classifyOnly: z.boolean(),
  scale: number.min(0),
  interest: z.strictObject({ left: number, right: number, top: number, bottom: number }).optional(),
});

/** What is asked of a frame. */
export type WorkRequest = z.infer<typeof requestSchema>;

/** Headers of a frame's message. */
export function requestHeaders(request: WorkRequest, type: PictureType): MsgHdrs {
  const made = headers();
  made.set(REQUEST, JSON.stringify(request));
  made.set("Content-Type", PICTURE_TYPES[type]);
  return made;
}

/** Undefined where they are not those of a frame. */
export function readRequest(given: MsgHdrs | undefined): { request: WorkRequest; type: PictureType } | undefined {
  const text = given?.get(REQUEST) ?? "";
  const type = typeOf(given?.get("Content-Type"));
  if (type === undefined || text === "" || text.length > MAX_REQUEST_CHARACTERS) return undefined;
  const request = requestSchema.safeParse(parsed(text)).data;
  return request && { request, type };
}

const score = { index: z.int().min(0), probability: number.min(0).max(1) };
const region = z.strictObject({ x: number, y: number, width: number, height: number, share: number });
const relevanceSchema = z.strictObject({
  method: z.string().max(64),
  positive: number,
  negative: number,
  concentration: number,
  peakShare: number,
  border: number,
  inside: number.optional(),
  density: z.array(number).max(64),
  centroid: z.tuple([number, number]),
  grid: z.strictObject({
    rows: z.int().min(1).max(64),
    columns: z.int().min(1).max(64),
    values: z.array(number).max(4096),
  }),
  regions: z.array(region).max(5),
  scale: number,
  peak: number,
});
const reportSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("explained"),
    id: z.string().max(300),
    engine: z.string().max(100),
    top: z.array(z.strictObject(score)).min(1).max(100),
    target: z.strictObject({ ...score, logit: number }),
    relevance: relevanceSchema.nullable(),
  }),
  z.strictObject({
    kind: z.literal("left-out"),
    id: z.string().max(300),
    why: z.enum(DROP_REASONS),
    sentence: z.string().max(MAX_SENTENCE),
  }),
  z.strictObject({ kind: z.literal("failed"), id: z.string().max(300), sentence: z.string().max(MAX_SENTENCE) }),
]);

/** What became of a frame, but for its heatmap. */
export type Report = z.infer<typeof reportSchema>;

/** An answer as it is read: an explanation has the labels of the reader's own model. */
export type Answer =
  | { kind: "explained"; explanation: Explanation }
  | Extract<Report, { kind: "left-out" } | { kind: "failed" }>;

/** The report as JSON behind its length (4 bytes, little-endian), then the heatmap. */
export function answerBody(report: Report, heatmap?: Uint8Array): Uint8Array {
  const text = Buffer.from(JSON.stringify(report));
  const body = Buffer.allocUnsafe(4 + text.length + (heatmap?.length ?? 0));
  body.writeUInt32LE(text.length, 0);
  text.copy(body, 4);
  if (heatmap) body.set(heatmap, 4 + text.length);
  return body;
}

/** What a worker has found on a frame, for `answerBody`. */
export function explainedReport(id: string, engine: string, { top, target, relevance }: Explanation) {
  // Only the capture knows a mask.
  const { heatmap, insideMask: _, ...figures } = relevance ?? { heatmap: undefined };
  const plain = <T extends { label: string }>({ label: _label, ...rest }: T): Omit<T, "label"> => rest;
  const report = {
    kind: "explained",
    id,
    engine,
    top: top.map(plain),
    target: plain(target),
    relevance: relevance && figures,
  };
  return { report: reportSchema.parse(report), heatmap };
}

/** The id that an answer is about, or undefined where it is none; what it says is read by `readAnswer`. */
export function readReport(body: Uint8Array): { report: Report; heatmap: Uint8Array } | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.length < 4) return undefined;
  const length = bytes.readUInt32LE(0);
  if (length > MAX_REPORT_BYTES || 4 + length > bytes.length) return undefined;
  const report = reportSchema.safeParse(parsed(bytes.toString("utf8", 4, 4 + length))).data;
  return report && { report, heatmap: bytes.subarray(4 + length) };
}

/** @throws VideoExplainerError where it cannot be of this model, or not of what was asked */
export function readAnswer(
  { report, heatmap }: { report: Report; heatmap: Uint8Array },
  { labels, inputWidth, inputHeight }: Pick<ModelInfo, "labels" | "inputWidth" | "inputHeight">,
  { classifyOnly, interest, mask }: Pick<ExplainInput, "classifyOnly" | "interest" | "mask">,
): Answer {
  if (report.kind !== "explained") return report;
  const { top, target, relevance, engine } = report;
  const label = ({ index }: { index: number }): string => labels[index] ?? `class ${index}`;
  const bytes = classifyOnly ? 0 : inputWidth * inputHeight;
  if ((relevance === null) !== classifyOnly || heatmap.length !== bytes)
    throw new VideoExplainerError(
      "fleet-answer",
      "the answer of an explain worker is none to what was asked of it; look who else may publish there",
    );
  return {
    kind: "explained",
    explanation: {
      top: top.map((one) => ({ ...one, label: label(one) })),
      target: { ...target, label: label(target) },
      relevance: relevance && {
        ...relevance,
        inside: interest && relevance.inside,
        insideMask: mask && levelsWithin(heatmap, mask),
        // The message's memory is larger, and would be kept with it.
        heatmap: Uint8Array.from(heatmap),
      },
      engine,
    },
  };
}

/** Share of |R| within a mask, by the levels of a heatmap: |level − 128| a pixel; 0 where there is no relevance. */
function levelsWithin(heatmap: Uint8Array, mask: Uint8Array): number {
  let [sum, all] = [0, 0];
  // By index: an iterator over so many pixels takes many times as long, on the event loop.
  for (let k = 0; k < heatmap.length; k++) {
    const size = Math.abs(heatmap[k]! - 128);
    all += size;
    if (mask[k] === 1) sum += size;
  }
  return all > 0 ? sum / all : 0;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
