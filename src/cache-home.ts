import { homedir } from "node:os";
import path from "node:path";

/** Folder of this program where the system keeps caches. */
export const cacheHome = (env: NodeJS.ProcessEnv = process.env): string =>
  path.join(env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "video-explainer");

/** What the compiled models in it may take together, unless configured otherwise. */
export const MAX_CACHE_BYTES = 4 * 2 ** 30;
