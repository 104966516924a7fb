import { VideoExplainerError } from "../errors.js";

/** Memory of one frame. */
export interface Slab {
  readonly memory: SharedArrayBuffer;
  /** The same memory, for copying into it. */
  readonly bytes: Uint8Array;
}

/**
 * A source's slabs: at most `limit` of `bytes` each, made when first needed and used again, the last returned first.
 * Giving back a slab that is not out throws.
 */
export class SlabPool {
  readonly #free: Slab[] = [];
  readonly #out = new Set<Slab>();
  /** Called after a slab has come back. */
  onFree: () => void = () => {};

  constructor(
    readonly bytes: number,
    readonly limit: number,
  ) {}

  /** True when every slab is out. */
  get exhausted(): boolean {
    return this.#out.size >= this.limit;
  }

  acquire(): Slab | undefined {
    if (this.exhausted) return undefined;
    const slab = this.#free.pop() ?? makeSlab(this.bytes);
    this.#out.add(slab);
    return slab;
  }

  release(slab: Slab): void {
    if (!this.#out.delete(slab)) {
      throw new VideoExplainerError("double-release", "a frame was released twice; each must be released exactly once");
    }
    this.#free.push(slab);
    this.onFree();
  }
}

function makeSlab(size: number): Slab {
  const memory = new SharedArrayBuffer(size);
  return { memory, bytes: new Uint8Array(memory) };
}
