import type { OutMessage } from "../../messages/message.js";

/** Sources remembered as removed; the oldest are let go. */
const LIMIT = 1_000;

/** When sources were removed, to know what comes of them late from what comes after they were added anew. */
export function createTombstones() {
  const removedAt = new Map<string, number>();
  return {
    add(key: string, at: number): void {
      removedAt.delete(key);
      removedAt.set(key, at);
      if (removedAt.size > LIMIT) removedAt.delete(removedAt.keys().next().value!);
    },
    /** A frame's epoch tells when its source was added, which its capture time need not; a status tells its own time. */
    isLate(key: string, { kind, epoch, time }: OutMessage): boolean {
      const at = removedAt.get(key);
      if (at === undefined) return false;
      return kind === "status" ? Date.parse(time) <= at : epoch < at;
    },
  };
}
