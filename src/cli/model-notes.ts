import type { LoadedModel } from "../explain/model/load.js";
import { redact } from "../redact.js";

/** Says on stderr what was decided about a model that could have been decided otherwise. */
export function sayModelNotes({ notes }: Pick<LoadedModel, "notes">): void {
  for (const note of notes) process.stderr.write(`video-explainer: ${redact(note)}\n`);
}
