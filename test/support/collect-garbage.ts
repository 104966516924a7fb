import { setTimeout as pause } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects garbage now: what is left is what the program keeps, not what the collector has not come to yet. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/**
 * Bytes of this process's array buffers that something still holds. A freed buffer is counted off behind the collector,
 * so it collects twice with a pause between.
 */
export async function bytesHeld(): Promise<number> {
  for (let round = 0; round < 2; round++) {
    collectGarbage();
    await pause(20);
  }
  return process.memoryUsage().arrayBuffers;
}
