import { existsSync, statSync } from "node:fs";
import path from "node:path";

/** What a file was like when it was looked at; size −1 where there was none. */
export interface FileFingerprint {
  path: string;
  size: number;
  mtimeMs: number;
}

/** Every file that decides what a model is: whoever keeps something made of it can tell whether it is still the same. */
export class FileFingerprints {
  #known = new Map<string, FileFingerprint>();

  /** Takes down what a file is like, the first time only. */
  add(file: string): void {
    const at = path.resolve(file);
    if (!this.#known.has(at)) this.#known.set(at, fingerprintOf(at));
  }
  /** Whether a file is there; taken down either way. */
  exists(file: string): boolean {
    this.add(file);
    return existsSync(file);
  }
  get files(): FileFingerprint[] {
    return [...this.#known.values()];
  }
}

function fingerprintOf(file: string): FileFingerprint {
  const stat = statSync(file, { throwIfNoEntry: false });
  // Folders change whenever something is put beside the model.
  if (!stat || stat.isDirectory()) return { path: file, size: stat ? 0 : -1, mtimeMs: 0 };
  return { path: file, size: stat.size, mtimeMs: stat.mtimeMs };
}

/** Whether all files are as they were. */
export const unchanged = (files: readonly FileFingerprint[]): boolean =>
  files.every((was) => {
    const now = fingerprintOf(was.path);
    return now.size === was.size && now.mtimeMs === was.mtimeMs;
  });
