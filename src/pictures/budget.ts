/** A share of a budget. */
export interface Grant {
  /** Keeps so many bytes of it and gives back the rest. */
  keep(bytes: number): void;
  /** Gives back all of it; a second time does nothing. */
  release(): void;
}

/**
 * Bytes that work in flight may take together; who comes first is served first. Who needs more than there is at all
 * gets all of it, and works alone.
 */
export class Budget {
  #free: number;
  readonly #waiting: { bytes: number; go(): void }[] = [];

  constructor(readonly bytes: number) {
    this.#free = bytes;
  }

  async take(wanted: number): Promise<Grant> {
    let held = Math.min(wanted, this.bytes);
    if (this.#waiting.length > 0 || held > this.#free) {
      await new Promise<void>((go) => this.#waiting.push({ bytes: held, go }));
    } else this.#free -= held;
    const keep = (bytes: number): void => {
      const kept = Math.min(held, bytes);
      this.#giveBack(held - kept);
      held = kept;
    };
    return { keep, release: () => keep(0) };
  }

  #giveBack(bytes: number): void {
    this.#free += bytes;
    while (this.#waiting.length > 0 && this.#waiting[0]!.bytes <= this.#free) {
      const next = this.#waiting.shift()!;
      this.#free -= next.bytes;
      next.go();
    }
  }
}
