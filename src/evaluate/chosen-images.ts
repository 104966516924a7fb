import { InputError } from "../errors.js";
import type { EvaluateOptions } from "./evaluate-options.js";
import { type EvaluatedImage, findImages, spread } from "./images.js";
import { Classes } from "./labels.js";
import type { Ready } from "./worker-messages.js";

/** The images that the options name and limit, those of one class first, and what was left out. */
export function imagesOf(
  options: EvaluateOptions,
  { model: { labels }, notes: said }: Ready,
): { images: EvaluatedImage[]; notes: string[] } {
  const classes = new Classes(labels);
  const found = options.folders.map((folder) => findImages(folder, classes, options.labels));
  const notes = [...said, ...found.flatMap((each) => each.notes)];
  const wanted = options.classes?.map((name) => classes.require(name, "--classes"));
  const all = found
    .flatMap(({ images }) => images)
    .filter(({ targets }) => !wanted || targets.some(({ index }) => wanted.includes(index)));
  if (all.length === 0)
    throw new InputError("empty-folder", "no image is of a class that --classes names; give others");
  const { limit = Number.POSITIVE_INFINITY, seed } = options;
  const several = all.filter(({ targets }) => targets.length > 1);
  const single = all.filter(({ targets }) => targets.length <= 1);
  return { images: [...spread(single, limit, seed), ...spread(several, limit, seed)], notes };
}
