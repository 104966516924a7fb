/** What ffmpeg finds its pictures to be, upright, when it begins and whenever that changes. */
export interface Shape {
  width: number;
  height: number;
  /** Width by height as it is meant to be seen. */
  aspect: number;
}

/** Proportions that differ by less are the same. */
export const SAME_ASPECT = 0.01;

export const isSameAspect = (a: number, b: number): boolean => Math.abs(a / b - 1) < SAME_ASPECT;

/** Of untagged video, what players take for high definition and so for BT.709, upright or turned. */
export const isHighDefinition = ({ width, height }: { width: number; height: number }): boolean =>
  Math.max(width, height) >= 1280 || Math.min(width, height) > 576;

/** Above every proportion that a picture can have. */
const SIDE = 65_536;

/** An expression of ffmpeg's that is nought, and says the size, or the proportions, when it is evaluated. */
export const SAY_SIZE = `print(iw*${SIDE}+ih,24)*0`;
export const sayAspect = (name: "a" | "dar"): string => `print(${name},24)*0`;

/** Reads what those two say, among ffmpeg's words. */
export class ShapeReader {
  #size = 0;

  /** `onShape` hears of each, which may be what it was. */
  constructor(private readonly onShape: (shape: Shape) => void) {}

  /** Whether a line was one of theirs; it is without its level then. */
  read(line: string): boolean {
    const match = /^(?:\[Eval\] )?(\d+\.\d{6})$/.exec(line);
    if (!match) return false;
    const value = Number(match[1]);
    if (value > SIDE) this.#size = value;
    else if (this.#size > 0 && value > 0) {
      this.onShape({ width: Math.floor(this.#size / SIDE), height: this.#size % SIDE, aspect: value });
    }
    return true;
  }
}
