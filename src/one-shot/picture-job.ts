import { writeFile } from "node:fs/promises";
import { readPicture } from "../pictures/picture.js";
import { explainOne } from "../station/explain-one.js";
import { sourceName } from "./inputs.js";
import { type BatchContext, type FileJob, type FileResult, STATION } from "./settings.js";
import { cannotWrite, type StagedFile, withStaged } from "./staged-file.js";

/** Explains one picture into another, with its summary beside it. Rejects, leaving nothing behind, when that fails. */
export async function explainPicture(job: FileJob, context: BatchContext, stop: AbortSignal): Promise<FileResult> {
  const { explainer, renderer, overlay: style } = context;
  stop.throwIfAborted();
  const picture = await readPicture(job.path, job.shown, explainer.model, context);
  let explained: Awaited<ReturnType<typeof explainOne>>;
  try {
    explained = await explainOne(picture, {
      ...{ explainer, renderer, style },
      station: STATION,
      source: sourceName(job.path),
      epoch: Date.now(),
      sequence: 0,
      want: { overlay: true, original: false, heatmap: false },
      limits: context.warnings,
    });
    // Not when that failed: a thread that hangs or ends may still be reading it.
    context.memory.give(picture.memory);
  } finally {
    picture.release();
  }
  const { summary, overlay } = explained;
  stop.throwIfAborted();
  await withStaged([job.outputs.explained, job.outputs.summaries], async (jpeg, lines) => {
    await write(jpeg, overlay!);
    await write(lines, `${JSON.stringify(summary)}\n`);
  });
  const best = summary.classification.top[0]!;
  const { pages } = picture;
  return {
    frames: 1,
    explained: 1,
    top: { label: best.label, frames: 1 },
    probability: best.probability,
    faults: [],
    notes:
      pages > 1 ? [`${job.shown} holds ${pages} pictures, and the first is explained; make a GIF or MP4 for all`] : [],
  };
}

const write = (file: StagedFile, content: Uint8Array | string): Promise<void> =>
  writeFile(file.path, content).catch((cause: unknown) => {
    throw cannotWrite(file.target, cause);
  });
