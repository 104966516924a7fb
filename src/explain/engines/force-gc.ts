import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Collects garbage now. Node would not: it does not know that an engine is about to allocate, outside of its heap, as much memory
 * as the program has left behind in it. The memory of arrays is freed in the background, and returned by a second collection.
 */
export async function forceGc(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let round = 0; round < 2; round++) {
    collect();
    await setImmediate();
  }
}
