import type { Summary } from "../messages/summary.js";

/** What was seen in a file. */
export interface TopClassCounts {
  frames: number;
  explained: number;
  /** The class that was the top one in most frames, and in how many. */
  top?: { label: string; frames: number };
  /** Probability of the top class of the last frame. */
  probability: number;
}

/** Counts the top classes of a file's frames. */
export class TopClassCounter {
  readonly #labels = new Map<string, number>();
  #frames = 0;
  #explained = 0;
  #probability = 0;

  add(summary: Summary): void {
    const { label, probability } = summary.classification.top[0]!;
    this.#labels.set(label, (this.#labels.get(label) ?? 0) + 1);
    this.#frames++;
    if (summary.relevance) this.#explained++;
    this.#probability = probability;
  }

  seen(): TopClassCounts {
    const best = [...this.#labels].reduce<[string, number] | undefined>(
      (a, b) => (a && a[1] >= b[1] ? a : b),
      undefined,
    );
    return {
      frames: this.#frames,
      explained: this.#explained,
      probability: this.#probability,
      ...(best ? { top: { label: best[0], frames: best[1] } } : {}),
    };
  }
}
