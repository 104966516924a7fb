import { rmSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError, VideoExplainerError } from "../errors.js";

/** Beside their targets, not yet whole; removed however the process ends, short of SIGKILL. */
const unfinished = new Set<string>();
let counter = 0;

const removeAll = (): void => {
  for (const path of unfinished) rmSync(path, { force: true });
};

/** Faults of where the user wants it, not of the machine. */
const PLACE_FAULTS: Readonly<Record<string, string>> = {
  EACCES: "no permission",
  EPERM: "no permission",
  EROFS: "the file system is read-only",
  ENOTDIR: "a part of the path is no folder",
  EEXIST: "a part of the path is no folder",
  ENAMETOOLONG: "the name is too long",
};

/** A file that appears under its name only when it is whole: until then it lies in the same folder under another. */
export interface StagedFile {
  /** Where to write meanwhile. */
  readonly path: string;
  readonly target: string;
  /** Moves it to its place, over what may be there. */
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/** Makes an empty file to be filled, and its folder where needed. Throws an `InputError` when it cannot be written there. */
export async function stageFile(target: string): Promise<StagedFile> {
  if (unfinished.size === 0 && counter === 0) process.on("exit", removeAll);
  const folder = dirname(target);
  const path = join(folder, `.${basename(target).slice(0, 180)}.${process.pid}-${counter++}.part`);
  try {
    await mkdir(folder, { recursive: true });
    const file = await open(path, "wx");
    unfinished.add(path);
    await file.close();
  } catch (cause) {
    throw cannotWrite(target, cause);
  }
  return {
    path,
    target,
    async commit() {
      await rename(path, target).catch((cause: unknown) => {
        throw cannotWrite(target, cause);
      });
      unfinished.delete(path);
    },
    async discard() {
      await rm(path, { force: true });
      unfinished.delete(path);
    },
  };
}

/** The sentence of a file that cannot be written. */
export function cannotWrite(target: string, cause: unknown): VideoExplainerError {
  const { code = "", message } = cause as NodeJS.ErrnoException;
  const place = PLACE_FAULTS[code];
  if (place)
    return new InputError("output", `${target} cannot be written (${place}); give a folder with --out`, { cause });
  const what = code === "ENOSPC" ? "the disk is full" : message;
  return new VideoExplainerError("output", `${target} cannot be written (${what})`, { cause });
}
