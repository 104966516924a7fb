import { type Baseline, baseline } from "./metrics/baselines.js";
import type { Item } from "./worker-messages.js";

/** The two ends of an image's curves: they are the same for every method. */
export interface Ends {
  /** The baseline's picture, 3 bytes a pixel. */
  empty: Uint8Array;
  /** Probabilities of every class of the image, and of the empty picture. */
  whole: Float32Array;
  none: Float32Array;
}

/** What is kept of images that come again with the next method, in each thread; those beyond it are computed again. */
const KEPT_BYTES = 64 * 2 ** 20;

/**
 * Computes the ends of images' curves, and keeps what there is room for.
 * @param of size of a picture, and the network
 */
export function endsOf(of: {
  width: number;
  height: number;
  probabilities(frames: Uint8Array): Promise<Float32Array[]>;
}): (item: Item, to: Baseline) => Promise<Ends> {
  const kept = new Map<string, Ends>();
  let left = KEPT_BYTES;
  return async ({ index, pixels: { image } }, to) => {
    const key = `${index} ${to}`;
    const known = kept.get(key);
    if (known) return known;
    const empty = baseline[to](image, of.width, of.height);
    const both = new Uint8Array(2 * image.length);
    both.set(image);
    both.set(empty, image.length);
    const [whole, none] = (await of.probabilities(both)) as [Float32Array, Float32Array];
    const ends = { empty, whole, none };
    const bytes = empty.byteLength + whole.byteLength + none.byteLength;
    if (bytes <= left) {
      left -= bytes;
      kept.set(key, ends);
    }
    return ends;
  };
}
