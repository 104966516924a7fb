import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";

/**
 * Sets a variable for the native libraries of this process: a thread's `process.env` is a copy that they do not see.
 * @throws Error on a thread that cannot
 */
export function setForLibraries(name: string, value: string): void {
  process.env[name] = value;
  if (isMainThread || process.platform === "win32") return;
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi").default;
  const setenv = koffi.load(null).func("int setenv(str name, str value, int overwrite)");
  if (setenv(name, value, 1) !== 0) throw new Error(`setenv ${name} failed`);
}
