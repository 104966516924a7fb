import type { ByteSink } from "../ffmpeg/children.js";
import type { Slab, SlabPool } from "./slabs.js";

/** Takes what comes while no slab is there to take it. */
const SCRATCH_BYTES = 65_536;

export interface AssemblerEvents {
  /** A whole picture has come, with its time in the stream (seconds; NaN where it has none). `at`: `performance.now()` of its last byte. */
  onPicture(slab: Slab, pts: number, at: number): void;
  /** A whole picture has come, and no slab was there to hold it (`latest` only). */
  onLost(): void;
  /** No slab is free for the next picture: `latest` sources now give back the oldest frame that nobody took yet. */
  onNoSlab(): void;
  /** True: wait for a slab to come free, ffmpeg with it. False: let the picture go. */
  readonly waits: boolean;
  /** Bytes may come again. */
  resume(): void;
}

/** Takes whole pictures from who fills slabs himself. */
export type PictureSink = Pick<Assembler, "waits" | "hasRoom" | "acquire" | "add" | "giveBack">;

const NOTHING = new Uint8Array();

/** Lets ffmpeg's byte stream flow into slabs, and pairs the nth picture with the nth time. */
export class Assembler implements ByteSink {
  readonly #bytes: number;
  #slab: Slab | undefined;
  /** Bytes of the current picture that have come; it has begun when this is not zero. */
  #filled = 0;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  /** What came in `scratch` and waits for a slab. */
  #held: Uint8Array | undefined;
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
    return this.#held !== undefined;
  }

  buffer(): Uint8Array {
    if (this.#open && this.#filled === 0) this.#slab ??= this.pool.acquire();
    return this.#slab ? this.#slab.bytes.subarray(this.#filled) : this.#scratch;
  }

  filled(count: number, buffer: Uint8Array): boolean {
    if (!this.#open) return true;
    if (buffer === this.#scratch) this.#consume(buffer.subarray(0, count));
    else this.#advance(count);
    return !this.isHeld;
  }

  /** False: a picture that finds no slab is lost. */
  get waits(): boolean {
    return this.events.waits;
  }

  /** A slab comes without waiting. */
  get hasRoom(): boolean {
    return !this.pool.exhausted;
  }

  /** Undefined: none is free. Who waits then may try again at `resume`. */
  acquire(): Slab | undefined {
    if (this.pool.exhausted) this.events.onNoSlab();
    const slab = this.pool.acquire();
    if (!slab && this.events.waits) this.#held = NOTHING;
    return slab;
  }

  /** A picture is whole, or was lost for want of a slab. */
  add(slab: Slab | undefined, seconds: number): void {
    this.#pictures.push({ slab, at: performance.now() });
    this.addTime(seconds);
  }

  giveBack(slab: Slab): void {
    this.pool.release(slab);
  }

  addTime(seconds: number): void {
    this.#times.push(seconds);
    this.#pair();
  }

  /** A slab has come free. */
  slabFreed(): void {
    const held = this.#held;
    if (!held || !this.#open) return;
    this.#held = undefined;
    this.#consume(held);
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
    this.#held = undefined;
    const cutOff = this.#filled > 0;
    this.#filled = 0;
    if (this.#slab) this.pool.release(this.#slab);
    this.#slab = undefined;
    return cutOff;
  }

  #consume(chunk: Uint8Array): void {
    let from = 0;
    while (from < chunk.length) {
      if (this.#filled === 0 && !this.#slab) {
        if (this.pool.exhausted) this.events.onNoSlab();
        this.#slab = this.pool.acquire();
        if (!this.#slab && this.events.waits) {
          this.#held = chunk.subarray(from);
          return;
        }
      }
      const size = Math.min(chunk.length - from, this.#bytes - this.#filled);
      this.#slab?.bytes.set(chunk.subarray(from, from + size), this.#filled);
      from += size;
      this.#advance(size);
    }
  }

  #advance(count: number): void {
    this.#filled += count;
    if (this.#filled < this.#bytes) return;
    const slab = this.#slab;
    this.#slab = undefined;
    this.#filled = 0;
    this.#pictures.push({ slab, at: performance.now() });
    this.#pair();
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
