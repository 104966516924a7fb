import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { distrust } from "../../trust.js";

/**
 * What a file of `remember` holds; undefined where it is not there, is damaged, or others could have written it.
 * @param holds whether that is still to be believed, `ageMs` after it was written
 */
export function recall<T>(file: string, holds: (value: T, ageMs: number) => boolean): T | undefined {
  try {
    if (!existsSync(file) || distrust(path.dirname(file), "contents") !== null) return undefined;
    const value = JSON.parse(readFileSync(file, "utf8")) as T;
    return holds(value, Date.now() - statSync(file).mtimeMs) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps what was found out for the next start; where it cannot be kept, that one finds it out again. */
export function remember(file: string, value: unknown): void {
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    // Whatever the umask is: what others could have written is not believed.
    writeFileSync(file, JSON.stringify(value), { mode: 0o644 });
  } catch {
    return;
  }
}
