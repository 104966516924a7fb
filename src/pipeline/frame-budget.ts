import type { FrameLayout } from "../frame.js";

/** What a source's frames take at most. */
export interface Claim {
  /** Bytes of all its slabs. */
  bytes: number;
  pixelsPerSecond: number;
}

/** Where a camera does not say its rate. */
const USUAL_RATE = 25;

/** What a source of this layout may take, `slabs` frames in memory at a time. */
export const claimOf = (layout: FrameLayout, slabs: number, fps = USUAL_RATE): Claim => ({
  bytes: layout.stride * (layout.height + layout.inputHeight) * slabs,
  pixelsPerSecond: layout.width * layout.height * fps,
});

const GIB = 2 ** 30;

/** What the frames of all sources may take together. Claims are made by name; a new one takes the place of the one before. */
export class FrameBudget {
  readonly #claims = new Map<string, Claim>();

  constructor(
    private readonly bytes: number,
    private readonly pixelsPerSecond: number,
  ) {}

  /** Why a claim is beyond the budget, as part of a sentence; undefined when there is room for it. Claims nothing. */
  excess(name: string, claim: Claim): string | undefined {
    const others = [...this.#claims].filter(([other]) => other !== name).map(([, each]) => each);
    const sum = (key: keyof Claim): number => others.reduce((total, each) => total + each[key], claim[key]);
    if (sum("bytes") > this.bytes) {
      return `the frames of all sources would take ${inGib(sum("bytes"))} of memory, more than the ${inGib(this.bytes)} of limits.frameBytes`;
    }
    if (sum("pixelsPerSecond") > this.pixelsPerSecond) {
      return `all sources would have ${inMillions(sum("pixelsPerSecond"))} million pixels a second, more than the ${inMillions(this.pixelsPerSecond)} of limits.pixelsPerSecond`;
    }
    return undefined;
  }

  /** False when it had claimed just this before. */
  claim(name: string, claim: Claim): boolean {
    const before = this.#claims.get(name);
    this.#claims.set(name, claim);
    return before?.bytes !== claim.bytes || before.pixelsPerSecond !== claim.pixelsPerSecond;
  }

  release(name: string): void {
    this.#claims.delete(name);
  }
}

const inGib = (bytes: number): string => `${(bytes / GIB).toPrecision(2)} GiB`;
const inMillions = (pixels: number): string => String(Math.round(pixels / 1e6));
