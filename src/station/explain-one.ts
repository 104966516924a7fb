import type { Explainer } from "../explain/explanation.js";
import { type Frame, modelRows } from "../frame.js";
import { makeMessage } from "../messages/headers.js";
import type { Summary } from "../messages/summary.js";
import type { OverlayRenderer, OverlayRequest, OverlayResult } from "../overlay/overlay.js";
import type { DecodedPicture } from "../pictures/picture.js";
import { summarise } from "./summarise.js";

export interface OnePicture {
  explainer: Explainer;
  renderer: OverlayRenderer;
  style: OverlayRequest["style"];
  station: string;
  source: string;
  /** Unix milliseconds, for the summary's id. */
  epoch: number;
  sequence: number;
  want: OverlayRequest["want"];
}

const ms = (from: number, to: number): number => Math.round((to - from) * 100) / 100;

/** Explains a picture that belongs to no stream: its summary and what `want` names. */
export async function explainOne(
  { memory, layout }: DecodedPicture,
  { explainer, renderer, style, station, source, epoch, sequence, want }: OnePicture,
): Promise<OverlayResult & { summary: Summary }> {
  const picture = { memory, layout };
  const receivedAt = performance.now();
  const frame: Frame = {
    ...picture,
    source,
    epoch: 0,
    sequence,
    pts: 0,
    capturedAt: Date.now(),
    receivedAt,
    policy: "every-frame",
    release() {},
  };
  const [explanation] = await explainer.explain([{ memory, ...modelRows(layout), classifyOnly: false, scale: 0 }]);
  const explainedAt = performance.now();
  const { relevance, target } = explanation!;
  const drawn = await renderer.render({ ...picture, heatmap: relevance!.heatmap, style, caption: target, want });
  const time = new Date(frame.capturedAt).toISOString();
  const body = new Uint8Array();
  const { id } = makeMessage({ kind: "summary", station, source, epoch, sequence, time, body, whenFull: "wait" });
  const summary = summarise({
    id,
    station,
    frame,
    model: explainer.model,
    engine: explainer.engine,
    explanation: explanation!,
    timing: {
      queueMs: 0,
      explainMs: ms(receivedAt, explainedAt),
      overlayMs: ms(0, drawn.milliseconds),
      totalMs: ms(receivedAt, performance.now()),
      batchSize: 1,
    },
  });
  return { ...drawn, summary };
}
