import { rmSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError, VideoExplainerError } from "../errors.js";
import { systemCode, systemReason } from "../system-error.js";

/** Beside their targets, not yet whole; removed however the process ends, short of SIGKILL. */
const unfinished = new Set<string>();
let counter = 0;

const removeAll = (): void => {
  for (const path of unfinished) rmSync(path, { force: true });
};

/** Faults of where the user wants it, not of the machine. */
const PLACE_FAULTS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENAMETOOLONG"]);

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
async function stageFile(target: string): Promise<StagedFile> {
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

/** Files that `work` fills: moved to their places when it is done, removed where anything of it failed. */
export async function withStaged<T>(
  targets: readonly string[],
  work: (...files: StagedFile[]) => Promise<T>,
): Promise<T> {
  const files: StagedFile[] = [];
  try {
    for (const target of targets) files.push(await stageFile(target));
    const made = await work(...files);
    for (const file of files) await file.commit();
    return made;
  } catch (error) {
    for (const file of files) await file.discard();
    throw error;
  }
}

/** The sentence of a file that cannot be written. */
export function cannotWrite(target: string, cause: unknown): VideoExplainerError {
  const reason = `cannot be written (${systemReason(cause)})`;
  return PLACE_FAULTS.has(systemCode(cause))
    ? new InputError("output", `${reason}; give a folder with --out`, { subject: target, cause })
    : new VideoExplainerError("output", reason, { subject: target, cause });
}
