import type { Explainer } from "../explain/explanation.js";
import type { Frame } from "../frame.js";
import type { Summary } from "../messages/summary.js";
import type { OverlayRenderer, OverlayRequest, OverlayResult } from "../overlay/overlay.js";
import type { DecodedPicture } from "../pictures/picture.js";
import { explainInput, overlayRequest } from "./explained-frame.js";
import { summarise } from "./summarise.js";
import { type WarningLimits, warningsOf } from "./warnings.js";

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
  limits: WarningLimits;
}

/** Explains a picture that belongs to no stream: its summary and what `want` names. */
export async function explainOne(
  { memory, layout }: DecodedPicture,
  { explainer, renderer, style, station, source, epoch, sequence, want, limits }: OnePicture,
): Promise<OverlayResult & { summary: Summary }> {
  const startedAt = performance.now();
  const frame: Frame = {
    ...{ memory, layout, source, sequence, epoch: 0, pts: 0, policy: "every-frame" },
    capturedAt: Date.now(),
    receivedAt: startedAt,
    release() {},
  };
  const [explanation] = await explainer.explain([explainInput(frame, { classifyOnly: false, scale: 0 })]);
  const batch = { startedAt, explainMs: performance.now() - startedAt, size: 1 };
  const { relevance } = explanation!;
  const warnings = relevance ? warningsOf(relevance, limits, false) : [];
  const explained = { frame, explanation: explanation!, explainer, style, why: [], warnings, batch };
  const drawn = await renderer.render(overlayRequest(explained, want));
  return { ...drawn, summary: summarise(explained, { station, epoch }, drawn.milliseconds) };
}
