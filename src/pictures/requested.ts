import { InputError } from "../errors.js";
import type { ModelView } from "../fit.js";
import { LIBVIPS_KINDS, pictureKind } from "./kinds.js";
import type { PictureMemory } from "./memory.js";
import { type DecodedPicture, readPicture } from "./picture.js";
import { REQUEST_LIMITS } from "./reader.js";

/** Decodes a picture that somebody sent. Throws an `InputError` of one sentence, before it takes memory for a large one. */
export async function readRequested(
  bytes: Uint8Array,
  view: ModelView,
  memory: PictureMemory,
): Promise<DecodedPicture> {
  if (bytes.byteLength === 0) throw new InputError("no-picture", "the request is empty; send the bytes of a picture");
  const kind = pictureKind(bytes);
  // No process is started for strangers.
  if (!kind || kind.ffmpeg) {
    const kinds = LIBVIPS_KINDS.map(({ name }) => name).join(", ");
    throw new InputError("no-picture", `the request is no picture of a kind that is taken; send one of ${kinds}`);
  }
  return readPicture(bytes, "the request", view, { memory, limits: REQUEST_LIMITS });
}
