import type { Explanation, Relevance } from "../explain/explanation.js";
import type { FrameTruth, Placement, Rect } from "../frame.js";
import { messageId } from "../messages/headers.js";
import type { Summary } from "../messages/summary.js";
import type { ExplainedFrame } from "./explained-frame.js";

/** Where a frame's messages come from; `epoch` as `epochId` gives it. */
export interface Origin {
  station: string;
  epoch: number;
}

/** The summary of a frame, as of now: regions and centroid mapped from the model's input onto the frame. */
export function summarise(
  { frame, explanation, explainer: { model, engine }, why, warnings, batch }: ExplainedFrame,
  { station, epoch }: Origin,
  overlayMs = 0,
): Summary {
  const { source, sequence, receivedAt } = frame;
  const { layout } = frame;
  return {
    schema: "explanation-summary/1",
    id: messageId({ station, source, epoch, sequence, kind: "summary" }),
    ...{ station, source, sequence },
    capturedAt: new Date(frame.capturedAt).toISOString(),
    publishedAt: new Date().toISOString(),
    pts: frame.pts,
    frame: { width: layout.width, height: layout.height },
    model: { name: model.name, sha256: model.sha256, engine: explanation.engine ?? engine },
    classification: { top: explanation.top, target: explanation.target },
    ...(why.length > 0 && { why: [...why] }),
    relevance:
      explanation.relevance &&
      relevanceOnFrame(explanation.relevance, layout.placement, layout.inputWidth, layout.inputHeight),
    ...(frame.truth && { truth: checkedAgainst(frame.truth, explanation) }),
    warnings: [...warnings],
    timing: {
      queueMs: rounded(batch.startedAt - receivedAt),
      explainMs: rounded(batch.explainMs),
      overlayMs: rounded(overlayMs),
      totalMs: rounded(performance.now() - receivedAt),
      batchSize: batch.size,
    },
  };
}

/** How a frame's decision, and its relevance where it has any, agree with what is known of it. */
export function checkedAgainst(
  { label, mask }: FrameTruth,
  { top, relevance }: Pick<Explanation, "top" | "relevance">,
): NonNullable<Summary["truth"]> {
  const insideMask = relevance?.insideMask;
  return {
    label,
    right: top[0]!.label === label,
    ...(mask && insideMask !== undefined && { insideMask, maskArea: mask.area }),
  };
}

function relevanceOnFrame(
  relevance: Relevance,
  { rect, clip }: Placement,
  width: number,
  height: number,
): NonNullable<Summary["relevance"]> {
  const x = (u: number): number => rect.x + (u / width) * rect.width;
  const y = (v: number): number => rect.y + (v / height) * rect.height;
  const [cx, cy] = relevance.centroid;
  return {
    method: relevance.method,
    positive: relevance.positive,
    negative: relevance.negative,
    concentration: relevance.concentration,
    peakShare: relevance.peakShare,
    border: relevance.border,
    ...(relevance.inside !== undefined && { inside: relevance.inside }),
    centroid: [within(x(cx), clip.x, clip.width), within(y(cy), clip.y, clip.height)],
    scale: relevance.scale,
    grid: relevance.grid,
    regions: relevance.regions.flatMap((r) => {
      const box = intersection(
        { x: x(r.x), y: y(r.y), width: x(r.x + r.width) - x(r.x), height: y(r.y + r.height) - y(r.y) },
        clip,
      );
      return box ? [{ ...box, share: r.share }] : [];
    }),
  };
}

const rounded = (ms: number): number => Math.round(ms * 100) / 100;
const within = (v: number, start: number, size: number): number => Math.min(Math.max(v, start), start + size);

/** Undefined where they do not meet: a region on the padding of a letterbox. */
function intersection(a: Rect, b: Rect): Rect | undefined {
  const left = Math.max(a.x, b.x);
  const top = Math.max(a.y, b.y);
  const width = Math.min(a.x + a.width, b.x + b.width) - left;
  const height = Math.min(a.y + a.height, b.y + b.height) - top;
  return width > 0 && height > 0 ? { x: left, y: top, width, height } : undefined;
}
