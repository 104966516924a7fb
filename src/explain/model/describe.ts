import path from "node:path";
import { GREY, type ModelView, RESAMPLING } from "../../fit.js";
import type { Preprocessing } from "../preprocessing.js";
import type { InputFacts } from "./facts.js";
import { type Settled, shown } from "./settle.js";

/** What is done to a picture before the model sees it, as the end of a sentence. */
export function describeView(view: ModelView, preprocessing: Preprocessing | undefined): string {
  const { inputWidth, inputHeight, fit, resize, resampling = RESAMPLING, fill = GREY } = view;
  const input = `${inputWidth}x${inputHeight}`;
  const size = resize ? `${resize.width}x${resize.height}` : input;
  const cut = resize && size !== input ? `, the middle ${input} of it` : "";
  const how = {
    stretch: `stretched to ${size}${cut}`,
    crop: `resized to cover ${size}, the middle ${input} of it`,
    letterbox: `set into ${size} with ${shown(fill)} around it${cut}`,
  }[fit];
  const filter = `${resampling.interpolation}${resampling.antialias ? "" : " without antialiasing"}`;
  const values = preprocessing
    ? `, ${preprocessing.channels === 1 ? "grey" : preprocessing.channelOrder}, (v - ${shown(preprocessing.mean)}) / ${shown(preprocessing.std)}`
    : "";
  return `${how}, ${filter}${values}`;
}

const AS_READ: readonly (keyof InputFacts)[] = ["mean", "std", "channelOrder", "fit", "resize", "interpolation"];

/**
 * A sentence of what was taken from elsewhere than the user's own words; undefined where nothing was.
 * @param users the places that the user wrote
 */
export function describeInferred(
  { origins }: Pick<Settled, "origins">,
  labels: string | undefined,
  users: ReadonlySet<string>,
  said: string,
): string | undefined {
  const from = [...new Set(AS_READ.flatMap((key) => origins[key] ?? []))];
  const isInferred = from.some((place) => !users.has(place));
  const input = isInferred
    ? `pictures are read as ${from.join(" and ")} ${from.length > 1 ? "say" : "says"}: ${said}`
    : undefined;
  // A file of that name is the custom, and so told by no one.
  const others = labels !== undefined && !users.has(labels) && path.basename(labels) !== "labels.txt";
  const parts = [input, others ? `labels are those of ${labels}` : undefined].filter((part) => part !== undefined);
  return parts.length > 0 ? parts.join("; ") : undefined;
}
