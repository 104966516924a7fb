/** Batches under way: one is explained, the next is ready. */
const UNDER_WAY = 2;

export interface BatchFormerOptions<T> {
  maxBatch: number;
  /** How long one that is not full waits for more, when nothing is under way. */
  maxWaitMs: number;
  /** Takes its time over a batch, and does not reject. */
  run(batch: readonly T[]): Promise<void>;
}

/** Forms batches of what comes, in its order: full ones at once, what is less when nothing else is under way. */
export class BatchFormer<T> {
  readonly #waiting: T[] = [];
  #underWay = 0;
  #window: NodeJS.Timeout | undefined;

  constructor(private readonly options: BatchFormerOptions<T>) {}

  /** As many as are of use here at a time: those under way, and as many that wait. */
  get capacity(): number {
    return (UNDER_WAY + 1) * this.options.maxBatch;
  }

  add(item: T): void {
    this.#waiting.push(item);
    this.#form();
  }

  /** What is not begun yet, which is then not waited with any more. */
  takeBack(): T[] {
    this.#wait(undefined);
    return this.#waiting.splice(0);
  }

  #form(): void {
    const { maxBatch, maxWaitMs } = this.options;
    while (this.#underWay < UNDER_WAY && this.#waiting.length >= maxBatch) this.#begin();
    if (this.#waiting.length === 0 || this.#underWay > 0 || this.#window) return;
    this.#wait(setTimeout(() => this.#begin(), maxWaitMs));
  }

  #wait(window: NodeJS.Timeout | undefined): void {
    clearTimeout(this.#window);
    this.#window = window;
  }

  #begin(): void {
    const { maxBatch, run } = this.options;
    // Whoever waited for more waits no longer.
    this.#wait(undefined);
    this.#underWay++;
    void run(this.#waiting.splice(0, maxBatch)).finally(() => {
      this.#underWay--;
      this.#form();
    });
  }
}
