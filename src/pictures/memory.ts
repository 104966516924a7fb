const MIN_BYTES = 1 << 22;

/**
 * Memory for pictures that belong to no stream, used again and again. Shared memory is freed only once every thread
 * that saw it has collected its garbage: made anew for each, a few large pictures would take gigabytes.
 */
export class PictureMemory {
  /** The smallest first. */
  readonly #free: SharedArrayBuffer[] = [];

  /** `max`: pieces that are kept; as many as are in use at a time. */
  constructor(private readonly max: number) {}

  /** At least so many bytes of any content, until they are given back. */
  take(bytes: number): SharedArrayBuffer {
    const at = this.#free.findIndex((memory) => memory.byteLength >= bytes);
    if (at >= 0) return this.#free.splice(at, 1)[0]!;
    // Powers of two: pictures that grow a little each time leave little behind. What is not written to takes no room.
    return new SharedArrayBuffer(2 ** Math.ceil(Math.log2(Math.max(bytes, MIN_BYTES))));
  }

  /**
   * Only what no thread reads any more. What may still be read, since its explanation failed or never came, is not
   * given back: it is freed once it is out of reach.
   */
  give(memory: SharedArrayBuffer): void {
    this.#free.push(memory);
    this.#free.sort((a, b) => a.byteLength - b.byteLength);
    // Of the smallest one there is no need while a larger one is free.
    if (this.#free.length > this.max) this.#free.shift();
  }
}
