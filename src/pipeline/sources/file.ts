import { statSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../../errors.js";
import type { SourceKind } from "./kind.js";

/** Path of a film or folder as the configuration writes it, relative to `baseDir` or as a `file://` address. */
export function localPath(url: string, baseDir: string): string {
  if (/^file:\/\//i.test(url)) return fileURLToPath(url);
  return resolve(baseDir, url.replace(/^file:/i, ""));
}

export const isLocal = (url: string): boolean => /^file:/i.test(url) || !/^[a-z][a-z0-9+.-]*:\/\//i.test(url);

export function statOf(path: string): ReturnType<typeof statSync> | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/** Tells one state of a file from another; empty where there is none. */
export function revisionOf(path: string): string {
  const stat = statOf(path);
  return stat?.size ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "";
}

/** A film, of any container that ffmpeg knows. */
export const file: SourceKind = {
  name: "file",
  looksLike: "a film such as belt.mp4",
  isLive: false,
  matches: (url) => isLocal(url),
  inputOptions: () => [],
  revision: ({ url }, baseDir) => revisionOf(localPath(url, baseDir)),
  input: ({ name, url }, baseDir) => {
    const path = localPath(url, baseDir);
    const stat = statOf(path);
    if (!stat) throw new InputError("missing-file", `Source ${name}: there is no file ${path}; check its url.`);
    if (!stat.isFile() && !stat.isFIFO()) {
      throw new InputError("no-file", `Source ${name}: ${path} is no film but a device or folder; give a file.`);
    }
    if (stat.isFile() && stat.size === 0) throw new InputError("empty-file", `Source ${name}: ${path} is empty.`);
    return { address: `file:${path}` };
  },
};
