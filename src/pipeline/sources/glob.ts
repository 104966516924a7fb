import type { Dirent, Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { InputError } from "../../errors.js";
import { isDenied } from "./local.js";
import { nameMatcher } from "./name-matcher.js";

/** To look into more of them takes too long, and is seldom what was meant. */
const MAX_FOLDERS = 1000;
/** Names that are tried, and files that are looked at, before others have their turn. */
const MAX_PARALLEL_STATS = 256;

export const hasWildcard = (url: string): boolean => /[*?[\]{}]/.test(url);

/**
 * Files and folders that match a glob; `*`, `?`, `[…]` and `{a,b}` stand for a part of one folder's or file's name.
 * Of several folders those that may not be read hold none. Throws an `InputError`, whose message follows the path, when
 * it would have to look into too many, and an error of the system when the only one may not be read.
 */
export async function expandGlob(path: string): Promise<string[]> {
  const parts = path.split(sep);
  const first = parts.findIndex(hasWildcard);
  if (first < 0) return existingPaths([path]);
  const rest = parts.slice(first).filter((part) => part !== "");
  let found = [parts.slice(0, first).join(sep) || sep];
  let folders = 0;
  for (const [at, part] of rest.entries()) {
    if (folders + found.length > MAX_FOLDERS) {
      throw new InputError("glob", `looks into more than ${MAX_FOLDERS} folders; name more of its path`);
    }
    if (hasWildcard(part)) {
      folders += found.length;
      found = await matchesIn(found, part, at < rest.length - 1);
    } else found = found.map((folder) => join(folder, part));
  }
  return hasWildcard(rest.at(-1)!) ? found : existingPaths(found);
}

async function matchesIn(folders: readonly string[], pattern: string, foldersOnly: boolean): Promise<string[]> {
  const matches = nameMatcher(pattern);
  const found: string[] = [];
  for (const folder of folders) {
    const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
      if (folders.length === 1 && isDenied(error)) throw error;
      return [];
    });
    for (const [n, entry] of entries.entries()) {
      if (n % MAX_PARALLEL_STATS === MAX_PARALLEL_STATS - 1) await nextTurn();
      if (!matches(entry.name)) continue;
      const path = join(folder, entry.name);
      if (!foldersOnly || entry.isDirectory() || (!entry.isFile() && (await statOrUndefined(path))?.isDirectory())) {
        found.push(path);
      }
    }
  }
  return found;
}

/** Undefined where there is nothing, or nothing that may be looked at. */
const statOrUndefined = (path: string): Promise<Stats | undefined> => stat(path).catch(() => undefined);

const existingPaths = (paths: readonly string[]): Promise<string[]> => filterByStat(paths, () => true);

/** The files among paths, also behind symbolic links, in their order. */
export const regularFiles = (paths: readonly string[]): Promise<string[]> =>
  filterByStat(paths, (found) => found.isFile());

async function filterByStat(paths: readonly string[], wanted: (found: Stats) => boolean): Promise<string[]> {
  const kept: string[] = [];
  for (let at = 0; at < paths.length; at += MAX_PARALLEL_STATS) {
    const some = paths.slice(at, at + MAX_PARALLEL_STATS);
    const stats = await Promise.all(some.map(statOrUndefined));
    kept.push(...some.filter((_, i) => stats[i] && wanted(stats[i])));
  }
  return kept;
}
