import { extname } from "node:path";
import { InputError, within } from "../errors.js";
import type { ModelView } from "../fit.js";
import type { FrameLayout, Rect } from "../frame.js";
import { frameBytes, frameLayout } from "../frame.js";
import { readAt, withRegularFile } from "../read-file.js";
import { PICTURE_ENDINGS, pictureKind } from "./kinds.js";
import type { PictureMemory } from "./memory.js";
import { FILE_LIMITS, type PictureLimits, pictureReader, pictureTarget } from "./reader.js";
import type { PictureTarget } from "./worker-messages.js";

const BEGINNING = 4096;

/** Whether a file is one picture or a film; animated GIFs and streams of JPEGs are films. */
export async function isPicture(path: string, shown: string): Promise<boolean> {
  if (/\.mjpe?g$/i.test(path)) return false;
  const kind = pictureKind(beginning(path), path);
  // Neither a kind that is known, nor readable: its name tells who shall complain.
  if (!kind) return PICTURE_ENDINGS.has(extname(path).toLowerCase());
  if (kind.name !== "GIF") return true;
  const look = pictureReader().look(path, shown, { ...FILE_LIMITS, bytes: Number.POSITIVE_INFINITY });
  return look.then(
    ({ pages }) => pages === 1,
    () => false,
  );
}

/** The first bytes of a file; none where it cannot be read. */
function beginning(path: string): Uint8Array {
  try {
    return withRegularFile(path, (handle) => readAt(handle, 0, BEGINNING));
  } catch {
    // Reading all of it reports why that fails.
    return new Uint8Array();
  }
}

/** A picture laid out as a frame of a film is. */
export interface DecodedPicture {
  memory: SharedArrayBuffer;
  layout: FrameLayout;
  /** Of an animation or a file of several pages, whose first this is. */
  pages: number;
  /** The memory is not in use any more: others may be decoded. A second time does nothing. */
  release(): void;
}

export interface ReadOptions {
  /** Where the picture is laid; it is the caller's to give back. */
  memory: PictureMemory;
  /** In pixels of the upright picture. */
  region?: Rect;
  limits?: PictureLimits;
  behind?: PictureTarget["behind"];
}

/**
 * Decodes a picture, a file's or the bytes of one, upright, in sRGB, transparent parts grey or as `behind` says. Throws an `InputError` of
 * one sentence when it cannot be read, is too large, or the region reaches outside. It counts against the memory for
 * pictures in flight until it is released.
 */
export async function readPicture(
  from: string | Uint8Array,
  shown: string,
  view: ModelView,
  { memory: pool, region, limits = FILE_LIMITS, behind }: ReadOptions,
): Promise<DecodedPicture> {
  let memory: SharedArrayBuffer | undefined;
  let layout: FrameLayout | undefined;
  try {
    const { found, grant } = await pictureReader().read(from, shown, limits, ({ width, height }) => {
      const made = within({ file: shown }, () => frameLayout(width, height, region, view));
      layout = made;
      return {
        ...pictureTarget(made, view, region),
        behind,
        memory: () => {
          memory = pool.take(frameBytes(made));
          return memory;
        },
      };
    });
    return { memory: memory!, layout: layout!, pages: found.pages, release: grant.release };
  } catch (error) {
    // A thread that has ended may have been writing to it.
    if (memory && error instanceof InputError) pool.give(memory);
    throw error;
  }
}
