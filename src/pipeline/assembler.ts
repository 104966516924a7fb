import type { Slab, SlabPool } from "./slabs.js";

export interface AssemblerEvents {
  /** A whole picture has come, with its time in the stream (seconds; NaN where it has none). `at`: `performance.now()` of its last byte. */
  onPicture(slab: Slab, pts: number, at: number): void;
  /** A whole picture has come, and no slab was there to hold it (`latest` only). */
  onLost(): void;
  /** No slab is free for the next picture: `latest` sources now give back the oldest frame that nobody took yet. */
  onNoSlab(): void;
  /** True: wait for a slab to come free, ffmpeg with it. False: let the picture go. */
  readonly waits: boolean;
  pause(): void;
  resume(): void;
}

/** Cuts ffmpeg's byte stream into slabs, and pairs the nth picture with the nth time. */
export class Assembler {
  readonly #bytes: number;
  #slab: Slab | undefined;
  /** Bytes of the current picture that have come; it has begun when this is not zero. */
  #filled = 0;
  readonly #held: Buffer[] = [];
  readonly #pictures: { slab: Slab | undefined; at: number }[] = [];
  readonly #times: number[] = [];
  #open = true;

  constructor(
    private readonly pool: SlabPool,
    private readonly events: AssemblerEvents,
  ) {
    this.#bytes = pool.bytes;
  }

  /** Waiting for a slab, and ffmpeg with it. */
  get isHeld(): boolean {
    return this.#held.length > 0;
  }

  addBytes(chunk: Buffer): void {
    if (!this.#open) return;
    if (this.isHeld) this.#held.push(chunk);
    else this.#consume(chunk);
  }

  addTime(seconds: number): void {
    this.#times.push(seconds);
    this.#pair();
  }

  /** A slab has come free. */
  slabFreed(): void {
    if (!this.isHeld || !this.#open) return;
    const held = this.#held.splice(0);
    for (const chunk of held) {
      if (this.isHeld) this.#held.push(chunk);
      else this.#consume(chunk);
    }
    if (!this.isHeld) this.events.resume();
  }

  /**
   * Nothing more will come. Whole pictures whose time never came are handed over without. Gives back the slab of a
   * picture that was cut off and says whether there was one.
   */
  end(): boolean {
    this.#open = false;
    while (this.#pictures.length > 0) {
      this.#times.push(Number.NaN);
      this.#pair();
    }
    this.#held.length = 0;
    const cutOff = this.#filled > 0;
    this.#filled = 0;
    if (this.#slab) this.pool.release(this.#slab);
    this.#slab = undefined;
    return cutOff;
  }

  #consume(chunk: Buffer): void {
    let from = 0;
    while (from < chunk.length) {
      if (this.#filled === 0 && !this.#slab) {
        if (this.pool.exhausted) this.events.onNoSlab();
        this.#slab = this.pool.acquire();
        if (!this.#slab && this.events.waits) {
          this.#held.push(from === 0 ? chunk : chunk.subarray(from));
          this.events.pause();
          return;
        }
      }
      const size = Math.min(chunk.length - from, this.#bytes - this.#filled);
      this.#slab?.bytes.set(
        from === 0 && size === chunk.length ? chunk : chunk.subarray(from, from + size),
        this.#filled,
      );
      from += size;
      this.#filled += size;
      if (this.#filled === this.#bytes) {
        const slab = this.#slab;
        this.#slab = undefined;
        this.#filled = 0;
        this.#pictures.push({ slab, at: performance.now() });
        this.#pair();
      }
    }
  }

  #pair(): void {
    while (this.#pictures.length > 0 && this.#times.length > 0) {
      const { slab, at } = this.#pictures.shift()!;
      const pts = this.#times.shift()!;
      if (slab) this.events.onPicture(slab, pts, at);
      else this.events.onLost();
    }
  }
}
