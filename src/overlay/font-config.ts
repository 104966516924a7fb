import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SHIPPED = fileURLToPath(new URL("../../assets/fonts/fonts.conf", import.meta.url));

let overrides = 0;
let before: string | undefined;

/**
 * Points fontconfig, which reads the environment once when the first text is set, to the shipped configuration, unless
 * the user names an own one. Call the returned function when a first text was set: child processes shall not inherit it.
 * Must run on the main thread: a worker's `process.env` is a copy that native code does not see.
 */
export function overrideFontConfig(): () => void {
  const own = process.env.FONTCONFIG_FILE;
  if (overrides === 0) {
    if (own && existsSync(own)) return () => {};
    before = own;
    process.env.FONTCONFIG_FILE = SHIPPED;
  } else if (own !== SHIPPED) return () => {};
  overrides++;
  let returned = false;
  return () => {
    if (returned) return;
    returned = true;
    if (--overrides > 0) return;
    if (before === undefined) delete process.env.FONTCONFIG_FILE;
    else process.env.FONTCONFIG_FILE = before;
  };
}
