import { chmod, mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/** Permissions of what a sink writes, whatever the umask. */
export interface Modes {
  file: number;
  folder: number;
}

/** Of a mode for files such as `0640`: who may read a file may also enter the folders. */
export function modesOf(mode: string): Modes {
  const file = Number.parseInt(mode, 8);
  return { file, folder: file | 0o100 | ((file & 0o044) >> 2) };
}

/** Makes a folder and those on the way to it that are missing; those that are there stay as they are. */
export async function makeFolder(path: string, { folder }: Modes): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined || folder === 0o700) return;
  for (let each = path; each.length >= first.length; each = dirname(each)) await chmod(each, folder);
}
