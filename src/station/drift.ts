import type { Explanation, Relevance } from "../explain/explanation.js";

/** Windows that the usual spread is learned from. */
const WINDOWS = 20;
/** Explained frames of a class that make a baseline of its own. */
const MIN_OF_CLASS = 20;
/** Classes with a baseline of their own; frames of others are compared with that of all. */
const MAX_CLASSES = 200;
/** Student's t of WINDOWS − 1 degrees of freedom that is exceeded once in a million. */
const T = 6.723;
/** Means of shares that differ by less are the same: where a figure is at rest, as a probability of 1 is, rounding is all its spread. */
const LEAST = 0.001;

/** A figure of a frame that is followed, besides where its relevance lies. */
const FIGURES: readonly ((found: Found) => number)[] = [
  ({ target }) => target.probability,
  ({ relevance }) => relevance.positive,
  ({ relevance }) => relevance.concentration,
  ({ relevance }) => relevance.peakShare,
  ({ relevance }) => relevance.border,
];

/**
 * Share of windows that raise a false alarm, where windows are independent of each other and their means normal, as those of long windows
 * of an unchanged line are: each figure may be too high or too low, the distance too high.
 */
export const FALSE_ALARM_RATE = (2 * FIGURES.length + 1) * 1e-6;

/** An explained frame. */
export interface Found {
  target: Pick<Explanation["target"], "label" | "probability">;
  relevance: Pick<Relevance, "density" | "positive" | "concentration" | "peakShare" | "border">;
}

/** Sums over frames of one class. */
interface Sums {
  frames: number;
  density: number[];
  figures: number[];
}

/**
 * Learns where the relevance of a source lies and what it is like, class by class, and tells when it is otherwise: a lens that moved, another
 * light, another part. The first half of what it learns from gives the mean of each class, the second how far the mean of a window usually is
 * from it; after that each window is held against that, by Student's prediction interval for one more of them. The distance of two densities is
 * half the sum of absolute differences, 0..1.
 */
export class DriftMonitor {
  #all: Sums | undefined;
  readonly #classes = new Map<string, Sums>();
  #learned = 0;
  /** Deviations of windows of the second half: the distance, then the figures. */
  readonly #usual: number[][] = [];
  #open: { frames: number; sums: number[] } = empty();
  #isDrifting = false;

  /** @param window explained frames that are compared together: it has learned after 40 of them */
  constructor(private readonly window: number) {}

  /** The latest whole window is too far from the baseline. */
  get isDrifting(): boolean {
    return this.#isDrifting;
  }

  /** The baseline is there. */
  get hasLearned(): boolean {
    return this.#usual.length === WINDOWS;
  }

  /** Classes that are known. */
  get classes(): number {
    return this.#classes.size;
  }

  /** Takes in an explained frame, in their order. Frames through which no relevance flows are not to be given. */
  add(found: Found): void {
    if (this.#learned < WINDOWS * this.window) {
      this.#learned++;
      this.#learn(found);
      if (this.#learned === WINDOWS * this.window) this.#forgetRare();
      return;
    }
    const open = this.#open;
    open.frames++;
    deviations(found, this.#baselineOf(found.target.label)).forEach((value, i) => {
      open.sums[i]! += value;
    });
    if (open.frames < this.window) return;
    const means = open.sums.map((sum) => sum / open.frames);
    this.#open = empty();
    if (this.hasLearned) this.#isDrifting = isBeyond(means, this.#usual);
    else this.#usual.push(means);
  }

  #learn(found: Found): void {
    const { label } = found.target;
    const none = (): Sums => ({
      frames: 0,
      density: zeros(found.relevance.density.length),
      figures: zeros(FIGURES.length),
    });
    this.#all ??= none();
    if (!this.#classes.has(label) && this.#classes.size < MAX_CLASSES) this.#classes.set(label, none());
    const own = this.#classes.get(label);
    for (const sums of own ? [own, this.#all] : [this.#all]) {
      sums.frames++;
      for (let i = 0; i < sums.density.length; i++) sums.density[i]! += found.relevance.density[i]!;
      FIGURES.forEach((figure, i) => {
        sums.figures[i]! += figure(found);
      });
    }
  }

  /** Classes with too few frames for a baseline of their own: there may be many, of each of a thousand sources. */
  #forgetRare(): void {
    for (const [label, { frames }] of this.#classes) if (frames < MIN_OF_CLASS) this.#classes.delete(label);
  }

  #baselineOf(label: string): Sums {
    return this.#classes.get(label) ?? this.#all!;
  }
}

/** Small arrays of this kind take a fraction of the memory of typed ones. */
const zeros = (length: number): number[] => new Array<number>(length).fill(0);

const empty = () => ({ frames: 0, sums: zeros(1 + FIGURES.length) });

/** How a frame deviates from the mean of its class: the distance of the densities, then the difference of each figure. */
function deviations(found: Found, { frames, density, figures }: Sums): number[] {
  let distance = 0;
  for (let i = 0; i < density.length; i++) distance += Math.abs(found.relevance.density[i]! - density[i]! / frames);
  return [distance / 2, ...FIGURES.map((figure, i) => figure(found) - figures[i]! / frames)];
}

/** Whether a window lies outside of what is to be expected after the usual ones. The distance may be as small as it likes. */
function isBeyond(window: readonly number[], usual: readonly (readonly number[])[]): boolean {
  return window.some((value, i) => {
    const values = usual.map((means) => means[i]!);
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1);
    const excess = i === 0 ? value - mean : Math.abs(value - mean);
    return excess > Math.max(LEAST, T * Math.sqrt(variance * (1 + 1 / values.length)));
  });
}
