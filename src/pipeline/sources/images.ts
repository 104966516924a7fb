import { readdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { InputError } from "../../errors.js";
import { inOrder } from "../../pictures/in-order.js";
import { PICTURE_ENDINGS } from "../../pictures/kinds.js";
import { FILE_LIMITS, pictureReader } from "../../pictures/reader.js";
import type { FoundPicture } from "../../pictures/worker-messages.js";
import { revisionOf } from "./file.js";
import { expandGlob, hasWildcard, regularFiles } from "./glob.js";
import type { SourceKind } from "./kind.js";
import { isLocal, localPath, shownPath, statOf, whyUnlisted } from "./local.js";

/** To look at more of a folder that begins with damaged ones would delay what is said of it. */
const MAX_PICTURES_TRIED = 100;

const isNamedPicture = (path: string): boolean => PICTURE_ENDINGS.has(extname(path).toLowerCase());

/** A folder of pictures, a glob, or one picture: shown in the order of their names, `picture2` before `picture10`. */
export const images: SourceKind = {
  name: "images",
  looksLike: "a folder of pictures, or a glob such as parts/*.jpg",
  isLive: false,
  stills: true,
  matches: (url, baseDir) => {
    if (!isLocal(url)) return false;
    const stat = statOf(localPath(url, baseDir));
    return stat ? stat.isDirectory() || isNamedPicture(url) : hasWildcard(url);
  },
  inputOptions: () => [],
  // Read here, not by ffmpeg.
  reach: () => ({ protocols: [], formats: [] }),
  revision: async ({ url }, baseDir) => {
    const path = localPath(url, baseDir);
    return statOf(path)?.isFile() ? revisionOf(path) : (await namesOf(path)).sort().join("\n");
  },
  input: async ({ name, url, inputOptions }, baseDir) => {
    if (inputOptions.length > 0) {
      const text = "inputOptions are ffmpeg's, which does not read pictures; leave them out";
      throw new InputError("input-options", text, { source: name });
    }
    const path = localPath(url, baseDir);
    const shown = shownPath(path);
    const paths = await listPictures(path).catch((cause: unknown) => {
      throw new InputError("unreadable-folder", whyUnlisted(cause), { source: name, subject: shown, cause });
    });
    if (paths.length === 0) {
      const known = [...PICTURE_ENDINGS].join(", ");
      throw new InputError("no-pictures", `holds no pictures (${known})`, { source: name, subject: shown });
    }
    const { width, height } = await firstOf(name, paths);
    return { address: "", stills: { paths, width, height } };
  },
};

/** The first picture that is one; the others are set into its size. Throws an `InputError` when there is none. */
async function firstOf(name: string, paths: readonly string[]): Promise<FoundPicture> {
  let first: InputError | undefined;
  for (const path of paths.slice(0, MAX_PICTURES_TRIED)) {
    try {
      return await pictureReader().look(path, shownPath(path), FILE_LIMITS);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      first ??= error;
    }
  }
  const tried = Math.min(paths.length, MAX_PICTURES_TRIED);
  const others = tried > 1 ? `; nor can the ${tried - 1} after it` : "";
  throw new InputError(first!.code, `${first!.reason}${others}`, { ...first!.context, source: name, cause: first });
}

/** The pictures of a folder, of a glob, or the one picture itself, in order. */
async function listPictures(path: string): Promise<string[]> {
  if (statOf(path)?.isFile()) return [path];
  return (await regularFiles(await namesOf(path))).sort((a, b) => inOrder.compare(a, b));
}

/** What is called like a picture in a folder or a glob. */
async function namesOf(path: string): Promise<string[]> {
  const found = statOf(path) ? (await readdir(path)).map((name) => join(path, name)) : await expandGlob(path);
  return found.filter((p) => isNamedPicture(p) && !basename(p).startsWith("."));
}
