import { readdir, readFile } from "node:fs/promises";

/** Kept free for what must go on: requests, brokers that come back, files that are written. */
const RESERVE = 48;
/** Of a small limit, this part. */
const RESERVE_PART = 0.2;

/** Whether so many more descriptors leave enough for all else. Where the system does not tell, it refuses by itself. */
export async function hasRoomFor(count: number): Promise<boolean> {
  try {
    const [limits, open] = await Promise.all([readFile("/proc/self/limits", "utf8"), readdir("/proc/self/fd")]);
    const max = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
    return open.length + count <= max - Math.min(RESERVE, Math.floor(max * RESERVE_PART));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== "EMFILE" && code !== "ENFILE";
  }
}
