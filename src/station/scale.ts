/** How much of the latest peak enters the scale at each explained frame: a window of some 20 frames. */
const SHARE_OF_NEW = 0.05;

/**
 * The heatmap scale of one source: the frames' robust peaks smoothed over a window, so that brightness means the same
 * from frame to frame.
 */
export class ScaleTracker {
  #scale = 0;

  /** Share per pixel at the ends of the heatmap; 0 before the first explained frame. */
  get scale(): number {
    return this.#scale;
  }

  /** Takes in the peak of an explained frame; frames through which no relevance flows do not count. */
  add(peak: number): void {
    if (!(peak > 0)) return;
    this.#scale = this.#scale === 0 ? peak : this.#scale + SHARE_OF_NEW * (peak - this.#scale);
  }
}
