import { readdirSync } from "node:fs";
import { basename, extname, join, sep } from "node:path";
import { InputError } from "../../errors.js";
import { isLocal, localPath, revisionOf, statOf } from "./file.js";
import type { SourceKind } from "./kind.js";

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
export const hasWildcard = (url: string): boolean => /[*?[\]{}]/.test(url);

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
  inputOptions: () => ["-f", "concat", "-safe", "0", "-protocol_whitelist", "file,pipe"],
  probeOptions: () => [],
  revision: ({ url }, baseDir) => {
    const path = localPath(url, baseDir);
    return statOf(path)?.isFile() ? revisionOf(path) : namesOf(path).sort().join("\n");
  },
  input: ({ name, url, fps, loop }, baseDir) => {
    const path = localPath(url, baseDir);
    const pictures = listPictures(path);
    if (pictures.length === 0) {
      const known = Object.keys(DECODERS).join(", ");
      throw new InputError("no-pictures", `Source ${name}: ${path} holds no pictures (${known}).`);
    }
    const decoders = [...new Set(pictures.map((p) => decoderOf(p)!))];
    if (decoders.length > 1) {
      throw new InputError(
        "mixed-pictures",
        `Source ${name}: ${path} mixes ${decoders.join(" and ")} pictures, which cannot be decoded as one stream; give a glob that takes one kind, such as *${extname(pictures[0]!)}.`,
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
export function listPictures(path: string): string[] {
  const stat = statOf(path);
  if (stat?.isFile()) return [path];
  return namesOf(path)
    .filter((p) => statOf(p)?.isFile())
    .sort((a, b) => inOrder.compare(a, b));
}

/** What is called like a picture in a folder or a glob. */
function namesOf(path: string): string[] {
  const found = statOf(path) ? readdirSync(path).map((name) => join(path, name)) : expandGlob(path);
  return found.filter((p) => decoderOf(p) && !basename(p).startsWith("."));
}

/** Files that match a glob; `*`, `?`, `[…]` and `{a,b}` stand for a part of one folder's or file's name. */
export function expandGlob(path: string): string[] {
  if (!hasWildcard(path)) return statOf(path) ? [path] : [];
  const parts = path.split(sep);
  const at = parts.findIndex(hasWildcard);
  const folder = parts.slice(0, at).join(sep) || sep;
  if (!statOf(folder)?.isDirectory()) return [];
  const pattern = globPattern(parts[at]!);
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .flatMap((name) => expandGlobRest(join(folder, name), parts.slice(at + 1)));
}

function expandGlobRest(path: string, rest: readonly string[]): string[] {
  if (rest.length === 0) return [path];
  return statOf(path)?.isDirectory() ? expandGlob(join(path, ...rest)) : [];
}

function globPattern(glob: string): RegExp {
  const translated = glob.replace(/\*+/g, "*").replace(/\[!?[^\]]+\]|\{[^}]*\}|[*?]|[.+^$()|[\]{}\\]/g, (token) => {
    if (token === "*") return "[^/]*";
    if (token === "?") return "[^/]";
    if (token.length > 1 && token.startsWith("[")) return token.replace(/^\[!/, "[^").replaceAll("\\", "\\\\");
    if (token.length > 1)
      return `(?:${token
        .slice(1, -1)
        .split(",")
        .map((t) => globPattern(t).source.slice(1, -1))
        .join("|")})`;
    return `\\${token}`;
  });
  return new RegExp(`^${translated}$`);
}
