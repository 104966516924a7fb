import { InputError } from "../errors.js";
import type { ModelView } from "../pipeline/plan.js";
import { type DecodedPicture, readPicture } from "./picture.js";
import type { PictureMemory } from "./picture-memory.js";

/** 50 megapixels: no camera has more, and each takes some 9 bytes while it is decoded. */
const MOST_PIXELS = 50_000_000;

/** How the kinds begin that are taken: pixels alone, nothing that is drawn from a text or names other files, as SVG does. */
const BEGINNINGS: readonly (readonly [kind: string, form: RegExp])[] = [
  ["JPEG", /^\xff\xd8\xff/],
  ["PNG", /^\x89PNG\r\n/],
  ["WebP", /^RIFF.{4}WEBP/s],
  ["GIF", /^GIF8[79]a/],
  ["TIFF", /^(?:II[*+]\0|MM\0[*+])/],
  ["AVIF", /^.{4}ftyp/s],
];
const LONGEST_BEGINNING = 16;
const KINDS = BEGINNINGS.map(([kind]) => kind).join(", ");

/** Decodes a picture that somebody sent. Throws an `InputError` of one sentence, before it takes memory for a large one. */
export async function readRequested(
  bytes: Uint8Array,
  view: ModelView,
  memory: PictureMemory,
): Promise<DecodedPicture> {
  if (bytes.byteLength === 0) throw new InputError("no-picture", "the request is empty; send the bytes of a picture");
  const beginning = Buffer.from(bytes.subarray(0, LONGEST_BEGINNING)).toString("latin1");
  if (!BEGINNINGS.some(([, form]) => form.test(beginning))) {
    throw new InputError("no-picture", `the request is no picture of a kind that is taken; send one of ${KINDS}`);
  }
  return readPicture(bytes, "the request", view, { memory, mostPixels: MOST_PIXELS });
}
