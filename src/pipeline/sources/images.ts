import { readdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { InputError } from "../../errors.js";
import { revisionOf } from "./file.js";
import { expandGlob, filesAmong, hasWildcard } from "./glob.js";
import type { SourceKind } from "./kind.js";
import { brief, isLocal, localPath, statOf, whyUnlisted } from "./local.js";
import { PICTURES } from "./reach.js";

/** File name endings by the decoder that reads them. */
const DECODERS: Record<string, string> = {
  ".jpg": "JPEG",
  ".jpeg": "JPEG",
  ".png": "PNG",
  ".bmp": "BMP",
  ".webp": "WebP",
  ".tif": "TIFF",
  ".tiff": "TIFF",
};
const PICTURES_A_SECOND = 25;
/** When looping, the list is repeated to so many pictures, so that ffmpeg is seldom started anew. */
const LOOP_PICTURES = 5000;

const decoderOf = (path: string): string | undefined => DECODERS[extname(path).toLowerCase()];
export const inOrder = new Intl.Collator("en", { numeric: true, sensitivity: "variant" });

/** A folder of pictures, a glob, or one picture: shown in the order of their names, `picture2` before `picture10`. */
export const images: SourceKind = {
  name: "images",
  looksLike: "a folder of pictures, or a glob such as parts/*.jpg",
  isLive: false,
  mixedPictures: true,
  setsRate: true,
  matches: (url, baseDir) => {
    if (!isLocal(url)) return false;
    const stat = statOf(localPath(url, baseDir));
    return stat ? stat.isDirectory() || decoderOf(url) !== undefined : hasWildcard(url);
  },
  inputOptions: () => ["-f", "concat", "-safe", "0"],
  reach: () => ({ protocols: ["file", "pipe"], formats: ["concat", ...PICTURES] }),
  probeOptions: () => [],
  revision: async ({ url }, baseDir) => {
    const path = localPath(url, baseDir);
    return statOf(path)?.isFile() ? revisionOf(path) : (await namesOf(path)).sort().join("\n");
  },
  input: async ({ name, url, fps, loop }, baseDir) => {
    const path = localPath(url, baseDir);
    const shown = brief(path);
    const pictures = await listPictures(path).catch((cause: unknown) => {
      throw new InputError("unreadable-folder", `Source ${name}: ${shown} ${whyUnlisted(cause)}.`, { cause });
    });
    if (pictures.length === 0) {
      const known = Object.keys(DECODERS).join(", ");
      throw new InputError("no-pictures", `Source ${name}: ${shown} holds no pictures (${known}).`);
    }
    const decoders = [...new Set(pictures.map((p) => decoderOf(p)!))];
    if (decoders.length > 1) {
      throw new InputError(
        "mixed-pictures",
        `Source ${name}: ${shown} mixes ${decoders.join(" and ")} pictures, which cannot be decoded as one stream; give a glob that takes one kind, such as *${extname(pictures[0]!)}.`,
      );
    }
    const repeat = loop ? Math.ceil(LOOP_PICTURES / pictures.length) : 1;
    return {
      address: "pipe:0",
      stdin: concatList(pictures, 1 / (fps ?? PICTURES_A_SECOND)).repeat(repeat),
      probeAddress: `file:${pictures[0]}`,
    };
  },
};

/** The list that ffmpeg's `concat` format reads. */
export const concatList = (paths: readonly string[], seconds: number): string =>
  paths.map((path) => `file 'file:${path.replaceAll("'", "'\\''")}'\nduration ${seconds.toFixed(6)}\n`).join("");

/** The pictures of a folder, of a glob, or the one picture itself, in order. */
async function listPictures(path: string): Promise<string[]> {
  if (statOf(path)?.isFile()) return [path];
  // The list that ffmpeg reads has a line for each.
  const names = (await namesOf(path)).filter((p) => !/[\r\n]/.test(p));
  return (await filesAmong(names)).sort((a, b) => inOrder.compare(a, b));
}

/** What is called like a picture in a folder or a glob. */
async function namesOf(path: string): Promise<string[]> {
  const found = statOf(path) ? (await readdir(path)).map((name) => join(path, name)) : await expandGlob(path);
  return found.filter((p) => decoderOf(p) && !basename(p).startsWith("."));
}
