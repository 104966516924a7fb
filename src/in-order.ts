/**
 * Lets work that was begun in an order finish in that order, however long each piece takes. Keeps nothing of what is
 * finished: a chain of results would hold every frame since the start.
 */
export class InOrder {
  #tail: Promise<void> = Promise.resolve();

  /** Settles as `work` does, but not before everything given earlier has settled. */
  next<T>(work: Promise<T>): Promise<T> {
    const before = this.#tail;
    // Handled at once: a rejection that waited for its turn would count as one that nobody handles.
    const ordered = Promise.allSettled([before, work]).then(() => work);
    this.#tail = ordered.then(
      () => {},
      () => {},
    );
    return ordered;
  }

  /** Resolves when everything given so far has settled. */
  get settled(): Promise<void> {
    return this.#tail;
  }
}
