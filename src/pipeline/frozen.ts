/** Looks no oftener than this; what is identical between two looks is taken to be so. */
const LOOK_EVERY_MS = 500;

/**
 * Notices a picture that stands still while frames keep coming. Pictures are compared whole, natively, until their first
 * difference; one copy is kept.
 */
export class FrozenWatch {
  #copy: Uint8Array | undefined;
  #sameSince = 0;
  #lastLook = Number.NEGATIVE_INFINITY;
  #isFrozen = false;

  constructor(private readonly afterMs: number) {}

  /** Whether the picture has now been the same for `afterMs`. `now` is of `performance.now()`. */
  look(picture: Uint8Array, now: number): boolean {
    if (now - this.#lastLook < Math.min(LOOK_EVERY_MS, this.afterMs / 4)) return this.#isFrozen;
    this.#lastLook = now;
    if (this.#copy?.length === picture.length && Buffer.compare(this.#copy, picture) === 0) {
      this.#isFrozen = now - this.#sameSince >= this.afterMs;
    } else {
      if (this.#copy?.length !== picture.length) this.#copy = new Uint8Array(picture.length);
      this.#copy.set(picture);
      this.#sameSince = now;
      this.#isFrozen = false;
    }
    return this.#isFrozen;
  }
}
