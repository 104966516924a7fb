import { existsSync, fstatSync } from "node:fs";
import path from "node:path";
import { ModelError } from "../../errors.js";
import { readAt, withRegularFile } from "../../read-file.js";
import { isConfined } from "./confined.js";
import type { FileFingerprints } from "./file-fingerprints.js";
import { foreignKind } from "./foreign.js";

const refuse = (reason: string): never => {
  throw new ModelError("model-external", reason);
};

/** Files with more holes than data are not weights: reading them takes memory that nothing was written for. */
const HOLES_FROM = 2 ** 26;

/**
 * A part of a weights file beside the model: they may be gigabytes, and every tensor asks for its own part.
 * @param model the file that names it
 * @param location its path from the model's folder
 * @param length bytes; to the end where undefined, `most` of them
 * @throws ModelError where it is missing, elsewhere or shorter
 */
export function readWeightsFile(
  model: string,
  location: string,
  offset: number,
  length: number | undefined,
  fingerprints: FileFingerprints,
  most: number,
): Uint8Array {
  const file = path.resolve(path.dirname(model), location);
  if (!file.startsWith(path.dirname(path.resolve(model)) + path.sep))
    refuse(`the model points to weights outside its own folder ("${location}"), which is not followed`);
  fingerprints.add(file);
  if (!existsSync(file)) refuse(`the model keeps its weights in "${location}", which is not beside it; copy it there`);
  if (!isConfined(file, model))
    refuse(`its weights "${location}" are a link that leads outside its own folder; put the file itself there`);
  return withRegularFile(file, (handle, size) => {
    const wanted = length ?? Math.min(size - offset, most);
    if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(wanted) && offset >= 0 && wanted >= 0))
      refuse(`the model says that weights lie at an impossible place in "${location}"; export it again`);
    // A pointer is all that a checkout without its large files has.
    const kind = size < 1024 ? foreignKind(readAt(handle, 0, size)) : undefined;
    if (kind?.includes("pointer")) refuse(`its weights file "${location}" ${kind}`);
    const written = fstatSync(handle).blocks * 512;
    if (wanted > HOLES_FROM && written < size / 8)
      refuse(
        `the weights file "${location}" is mostly holes (${size} bytes, of which ${written} are written); copy it again`,
      );
    if (offset + wanted > size) refuse(`the weights file "${location}" is shorter than the model says; copy it again`);
    return readAt(handle, offset, wanted);
  });
}
