import { existsSync, statSync } from "node:fs";
import path from "node:path";

/** A file that was looked at; size −1 where there was none. */
export interface FileState {
  path: string;
  size: number;
  mtimeMs: number;
}

/** Every file that decides what a model is: whoever keeps something made of it can tell whether it is still the same. */
export class Reads {
  #seen = new Map<string, FileState>();

  note(file: string): void {
    const at = path.resolve(file);
    if (!this.#seen.has(at)) this.#seen.set(at, stateOf(at));
  }
  /** Whether a file is there; noted either way. */
  exists(file: string): boolean {
    this.note(file);
    return existsSync(file);
  }
  get files(): FileState[] {
    return [...this.#seen.values()];
  }
}

function stateOf(file: string): FileState {
  const stat = statSync(file, { throwIfNoEntry: false });
  // Folders change whenever something is put beside the model.
  if (!stat || stat.isDirectory()) return { path: file, size: stat ? 0 : -1, mtimeMs: 0 };
  return { path: file, size: stat.size, mtimeMs: stat.mtimeMs };
}

/** Whether all files are as they were. */
export const unchanged = (files: readonly FileState[]): boolean =>
  files.every((was) => {
    const now = stateOf(was.path);
    return now.size === was.size && now.mtimeMs === was.mtimeMs;
  });
