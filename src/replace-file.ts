import { rename, rm } from "node:fs/promises";

/** Writes a file under another name and moves it to its place: under its own it is whole, or as it was before. */
export async function replaceFile(path: string, partial: string, write: (to: string) => Promise<void>): Promise<void> {
  try {
    await write(partial);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw error;
  }
}
