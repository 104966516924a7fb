import { writeFile } from "node:fs/promises";
import type { Frame } from "../../pipeline/frame.js";
import { makeMessage } from "../../sinks/headers.js";
import { summarise } from "../summarise.js";
import { sourceName } from "./inputs.js";
import { readPicture } from "./picture.js";
import { type Done, type Job, type OneShot, STATION } from "./settings.js";
import { cannotWrite, stageFile } from "./staged-file.js";

const ms = (from: number, to: number): number => Math.round((to - from) * 100) / 100;

/** Explains one picture into another, with its summary beside it. Rejects, leaving nothing behind, when that fails. */
export async function explainPicture(job: Job, of: OneShot, stop: AbortSignal): Promise<Done> {
  const { config, explainer, renderer } = of;
  stop.throwIfAborted();
  const decoded = await readPicture(job.path, job.shown, explainer.model, of.region);
  const receivedAt = performance.now();
  const frame: Frame = {
    ...decoded,
    source: sourceName(job.path),
    epoch: 0,
    sequence: 0,
    pts: 0,
    capturedAt: Date.now(),
    receivedAt,
    policy: "every-frame",
    release() {},
  };
  const [explanation] = await explainer.explain([{ ...decoded, classifyOnly: false, scale: 0 }]);
  const explainedAt = performance.now();
  const { relevance, target, top } = explanation!;
  const drawn = await renderer.render({
    ...decoded,
    heatmap: relevance!.heatmap,
    style: config.overlay,
    caption: target,
    want: { overlay: true, original: false, heatmap: false },
  });
  const { id } = makeMessage({
    kind: "summary",
    station: STATION,
    source: frame.source,
    epoch: frame.capturedAt,
    sequence: 0,
    time: new Date(frame.capturedAt).toISOString(),
    body: new Uint8Array(),
    whenFull: "wait",
  });
  const summary = summarise({
    id,
    station: STATION,
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
  stop.throwIfAborted();
  await writeWhole(job.outputs.explained, drawn.overlay!, job.outputs.summaries, `${JSON.stringify(summary)}\n`);
  const best = top[0]!;
  return {
    frames: 1,
    explained: 1,
    top: { label: best.label, frames: 1 },
    probability: best.probability,
    faults: [],
    notes: [],
  };
}

async function writeWhole(picture: string, jpeg: Uint8Array, lines: string, text: string): Promise<void> {
  const first = await stageFile(picture);
  const second = await stageFile(lines).catch(async (error: unknown) => {
    await first.discard();
    throw error;
  });
  try {
    await writeFile(first.path, jpeg).catch((cause: unknown) => {
      throw cannotWrite(picture, cause);
    });
    await writeFile(second.path, text).catch((cause: unknown) => {
      throw cannotWrite(lines, cause);
    });
    await first.commit();
    await second.commit();
  } catch (error) {
    await first.discard();
    await second.discard();
    throw error;
  }
}
