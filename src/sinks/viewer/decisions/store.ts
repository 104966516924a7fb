import type { Placement } from "../../../frame.js";
import type { Summary } from "../../../messages/summary.js";

/** The pictures of a decision, by the end of their address. */
export const PICTURE_TYPES = {
  "thumbnail.jpg": "image/jpeg",
  "original.jpg": "image/jpeg",
  "overlay.jpg": "image/jpeg",
  "heatmap.png": "image/png",
} as const;
export type PictureName = keyof typeof PICTURE_TYPES;
export type DecisionPictures = { [Name in PictureName]?: Uint8Array };

/** One decision that is kept: what lists show of it, its summary as it was published, and its pictures. */
export interface Decision {
  id: string;
  /** `station/source` */
  key: string;
  /** Unix ms of the arrival of the frame here, on the clock of the time line. */
  at: number;
  label: string;
  probability: number;
  /** Why it was explained, where that was said. */
  why: readonly string[];
  /** What the source's `truth` says of it, where that is known. */
  truth?: Summary["truth"];
  summary: Uint8Array;
  /** Where the heatmap lies on the frame, where that is known. */
  placement: Placement | null;
  pictures: DecisionPictures;
}

export interface StoreLimits {
  /** Decisions of one source. */
  count: number;
  /** Of the pictures and summaries of one source. */
  sourceBytes: number;
  /** Of all sources. */
  bytes: number;
}

export const bytesOf = ({ summary, pictures }: Pick<Decision, "summary" | "pictures">): number =>
  Object.values(pictures).reduce((sum, picture) => sum + picture.byteLength, summary.byteLength);

interface Shelf {
  /** Oldest first. */
  decisions: Decision[];
  bytes: number;
}

/** Which to give up: the oldest of the class that holds most, of equal ones that with the oldest. */
function leastMissed(decisions: readonly Decision[]): number {
  const counts = new Map<string, number>();
  for (const { label } of decisions) counts.set(label, (counts.get(label) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return decisions.findIndex(({ label }) => counts.get(label) === most);
}

/**
 * Decisions of all sources within their bounds. Where there is no room, the class that holds most gives up its oldest: a
 * reject is not pushed out by a thousand passes. Of the sources, that with the most bytes gives.
 */
export function createStore(limits: StoreLimits, onRemoved: (decision: Decision) => void = () => {}) {
  const shelves = new Map<string, Shelf>();
  const byId = new Map<string, Decision>();
  let bytes = 0;

  const removeAt = (shelf: Shelf, index: number) => {
    const [decision] = shelf.decisions.splice(index, 1);
    if (!decision) return;
    const size = bytesOf(decision);
    shelf.bytes -= size;
    bytes -= size;
    byId.delete(decision.id);
    if (shelf.decisions.length === 0) shelves.delete(decision.key);
    onRemoved(decision);
  };

  const largest = (): Shelf => [...shelves.values()].reduce((a, b) => (b.bytes > a.bytes ? b : a));

  return {
    /** False when it is larger than all that a source may hold, or known already. */
    add(decision: Decision): boolean {
      const size = bytesOf(decision);
      if (limits.count === 0 || size > Math.min(limits.sourceBytes, limits.bytes) || byId.has(decision.id))
        return false;
      const { key } = decision;
      const shelf = shelves.get(key) ?? { decisions: [], bytes: 0 };
      shelves.set(key, shelf);
      // One from the past has its place.
      const after = shelf.decisions.findLastIndex(({ at }) => at <= decision.at);
      shelf.decisions.splice(after + 1, 0, decision);
      shelf.bytes += size;
      bytes += size;
      byId.set(decision.id, decision);
      while (shelf.decisions.length > limits.count || shelf.bytes > limits.sourceBytes) {
        removeAt(shelf, leastMissed(shelf.decisions));
      }
      while (bytes > limits.bytes) {
        const from = largest();
        removeAt(from, leastMissed(from.decisions));
      }
      return byId.has(decision.id);
    },
    get: (id: string): Decision | undefined => byId.get(id),
    /** Of one source, oldest first. */
    of: (key: string): readonly Decision[] => shelves.get(key)?.decisions ?? [],
    keys: (): string[] => [...shelves.keys()],
    forget(key: string) {
      const shelf = shelves.get(key);
      while (shelf && shelf.decisions.length > 0) removeAt(shelf, shelf.decisions.length - 1);
    },
    get bytes() {
      return bytes;
    },
    get count() {
      return byId.size;
    },
  };
}

export type DecisionStore = ReturnType<typeof createStore>;
