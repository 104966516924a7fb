/** `eager` ones enter before all that are `patient`. */
export type Haste = "eager" | "patient";

interface Waiting {
  haste: Haste;
  enter(): void;
}

/** So many at a time; the eager before the patient, among their like in the order of their coming. */
export class Gate {
  readonly #waiting: Waiting[] = [];
  readonly #inside = { eager: 0, patient: 0 };

  /** @param patient of `places`, so many at most for the patient: the others are kept free for the eager */
  constructor(
    private readonly places: number,
    private readonly patient: number = places,
  ) {}

  /** Resolves with what leaves again, which may be called more than once; rejects when `signal` is aborted before. */
  enter(haste: Haste, signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const entry: Waiting = {
        haste,
        enter: () => {
          signal?.removeEventListener("abort", leaveQueue);
          this.#inside[haste]++;
          let left = false;
          resolve(() => {
            if (left) return;
            left = true;
            this.#inside[haste]--;
            this.#admit();
          });
        },
      };
      const leaveQueue = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", leaveQueue, { once: true });
      this.#waiting.push(entry);
      this.#admit();
    });
  }

  #admit(): void {
    for (let next = this.#next(); next >= 0; next = this.#next()) this.#waiting.splice(next, 1)[0]!.enter();
  }

  /** Index of who may enter now; -1: nobody. */
  #next(): number {
    const { eager, patient } = this.#inside;
    if (eager + patient >= this.places) return -1;
    const first = this.#waiting.findIndex(({ haste }) => haste === "eager");
    if (first >= 0 || patient >= this.patient) return first;
    return this.#waiting.length > 0 ? 0 : -1;
  }
}
