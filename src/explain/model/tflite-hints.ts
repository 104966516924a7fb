import { existsSync } from "node:fs";
import path from "node:path";
import type { LiteHints } from "../tflite/metadata.js";
import type { ModelCard } from "./card.js";

const shown = (values: readonly number[]): string => (values.length === 1 ? `${values[0]}` : `[${values.join(", ")}]`);

/**
 * A card with what a file says of itself where the card says nothing.
 * @param note is told in a sentence what was taken
 */
export function withLiteHints(card: ModelCard, hints: LiteHints, note: (sentence: string) => void): ModelCard {
  const { normalisation } = hints;
  const { input } = card;
  if (!normalisation || input.mean !== undefined || input.std !== undefined) return card;
  const { mean, std, from } = normalisation;
  note(`pixels become its input as (v - ${shown(mean)}) / ${shown(std)}, as ${from} says`);
  return { ...card, input: { ...input, mean, std, units: "0..255" } };
}

/** The same for labels, where they are as many as the classes and neither the card nor a file beside the model has any. */
export function withLiteLabels(
  card: ModelCard,
  hints: LiteHints,
  file: string,
  classes: number,
  note: (sentence: string) => void,
): ModelCard {
  const { labels } = hints;
  if (!labels || card.labels !== undefined || existsSync(path.join(path.dirname(file), "labels.txt"))) return card;
  if (labels.length !== classes) {
    note(`the ${labels.length} labels packed into the file are left out, since it has ${classes} classes`);
    return card;
  }
  note(`its labels are those packed into the file`);
  return { ...card, labels };
}
