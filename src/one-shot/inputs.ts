import { readdir, realpath } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { type ErrorCode, InputError } from "../errors.js";
import { inOrder } from "../pictures/in-order.js";
import { PICTURE_ENDINGS } from "../pictures/kinds.js";
import { expandGlob, hasWildcard, regularFiles } from "../pipeline/sources/glob.js";
import { statOrReason, whyUnlisted } from "../pipeline/sources/local.js";

const FILM_ENDINGS = new Set(
  ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .mts .m2ts .wmv .flv .ogv .3gp .gif".split(" "),
);
const OUR_OWN = /\.explained\.(?:jpg|mp4)$/;

/** One file to explain, or why it cannot be. */
export type ResolvedInput = { path: string; shown: string } | { fault: InputError };

/** Where the results of a file go. */
export interface Outputs {
  /** The picture or film. */
  explained: string;
  summaries: string;
}

/**
 * The files that the arguments name, each once, in their order: files, folders (the pictures and films in them, not in
 * folders of theirs) and globs. Results of earlier runs are left out of folders and globs.
 */
export async function findInputs(args: readonly string[]): Promise<ResolvedInput[]> {
  const seen = new Set<string>();
  const found: ResolvedInput[] = [];
  for (const given of (await Promise.all(args.map(expand))).flat()) {
    const real = "fault" in given ? undefined : await realpath(given.path).catch(() => given.path);
    if (real !== undefined && seen.has(real)) continue;
    if (real !== undefined) seen.add(real);
    found.push(given);
  }
  return found;
}

async function expand(arg: string): Promise<ResolvedInput[]> {
  const refuse = (code: ErrorCode, reason: string): ResolvedInput[] => [
    { fault: new InputError(code, reason, { subject: arg }) },
  ];
  const noFile = "is no file; use `video-explainer run` for streams and cameras";
  if (/^(?!file:)[a-z][a-z0-9+.-]*:\/\//i.test(arg)) return refuse("not-a-file", noFile);
  const path = resolve(arg);
  const there = statOrReason(path);
  const isThere = there.stats !== undefined;
  if (there.stats?.isFile()) return [{ path, shown: arg }];
  if (there.stats && !there.stats.isDirectory()) return refuse("not-a-file", noFile);
  if (!there.stats && !hasWildcard(arg)) {
    if (there.missing) return refuse("missing-file", "does not exist; check the name");
    return refuse("unreadable-file", `cannot be read: ${there.reason}`);
  }
  let all: string[];
  try {
    all = isThere ? await inFolder(path) : await expandGlob(path);
  } catch (error) {
    return refuse("unreadable-folder", whyUnlisted(error));
  }
  const found = (await regularFiles(all.filter((each) => !OUR_OWN.test(each)))).sort((a, b) => inOrder.compare(a, b));
  if (found.length > 0) return found.map((each) => ({ path: each, shown: short(each) }));
  return isThere
    ? refuse("empty-folder", "holds no pictures and no films; check the folder")
    : refuse("missing-file", "matches no file; check the pattern");
}

const inFolder = async (path: string): Promise<string[]> =>
  (await readdir(path))
    .filter((name) => {
      const ending = extname(name).toLowerCase();
      return !name.startsWith(".") && (PICTURE_ENDINGS.has(ending) || FILM_ENDINGS.has(ending));
    })
    .map((name) => join(path, name));

/** A path as one would type it here. */
export function short(path: string): string {
  const here = relative(process.cwd(), path);
  return here.startsWith("..") || here.length >= path.length ? path : here;
}

/**
 * Names of the results, beside each file or in `folder`: its name without its ending, then `.explained.jpg` or
 * `.explained.mp4`, and `.summaries.jsonl`. Where that would be one name for two files, both keep their endings.
 */
export function nameOutputs(
  files: readonly { path: string; picture: boolean }[],
  folder: string | undefined,
): Outputs[] {
  const stem = (path: string, whole: boolean): string =>
    join(folder ?? dirname(path), whole ? basename(path) : basename(path, extname(path)));
  const uses = new Map<string, number>();
  for (const { path } of files) uses.set(stem(path, false), (uses.get(stem(path, false)) ?? 0) + 1);
  return files.map(({ path, picture }) => {
    const name = stem(path, uses.get(stem(path, false))! > 1);
    return { explained: `${name}.explained.${picture ? "jpg" : "mp4"}`, summaries: `${name}.summaries.jsonl` };
  });
}

/** The name of a file as sources are named: letters, digits, - and _. */
export function sourceName(path: string): string {
  const name = basename(path, extname(path))
    .replace(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/^[-_]+/, "")
    .slice(0, 63);
  return name || "file";
}
