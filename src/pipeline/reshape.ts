import { isHighDefinition, isSameAspect, type Shape } from "../ffmpeg/shape.js";
import type { DecodePlan } from "./plan.js";

export interface ReshapeOptions {
  plan: DecodePlan;
  /** For what shape it was begun anew, if it was: the name that `onAnew` gave. */
  begunFor: string | undefined;
  /** So long the connection lives before it ends for a new shape. */
  reshapeMs: number;
  /** Once: the pictures have become other ones and stay so, and the connection is to begin anew. `name` is of their shape. */
  onAnew(name: string): void;
  /** Once, where it cannot begin anew or that would not help: what becomes of pictures of other proportions. */
  onNote(note: string): void;
}

/** Notices when the pictures of a connection take other proportions than it was planned for, or need another colour matrix. */
export class Reshape {
  readonly #plan: DecodePlan;
  #began = Number.NaN;
  /** Proportions of the first picture. */
  #first = 0;
  #timer: NodeJS.Timeout | undefined;
  #done = false;

  constructor(private readonly options: ReshapeOptions) {
    this.#plan = options.plan;
  }

  look(shape: Shape): void {
    const { begunFor, reshapeMs, onAnew } = this.options;
    const isFirst = Number.isNaN(this.#began);
    if (isFirst) {
      this.#began = performance.now();
      this.#first = shape.aspect;
    }
    clearTimeout(this.#timer);
    if (this.#done || !this.#isOther(shape)) return;
    const name = nameOf(shape);
    // To begin again for what it was begun for would never end: there the look shows something else than the decoder.
    if (isFirst && name === begunFor) return;
    const stays = this.#plan.finite || this.#plan.aspect === undefined;
    if (stays) this.#note(name);
    else this.#timer = setTimeout(() => this.#end(() => onAnew(name)), this.#began + reshapeMs - performance.now());
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#done = true;
  }

  #end(then: () => void): void {
    this.end();
    then();
  }

  #isOther(shape: Shape): boolean {
    const { aspect = this.#first, highDefinition } = this.#plan;
    const isHigh = isHighDefinition(shape);
    return !isSameAspect(shape.aspect, aspect) || (highDefinition ?? isHigh) !== isHigh;
  }

  #note(name: string): void {
    const { layout, aspect } = this.#plan;
    const how = aspect === undefined ? "stretched to" : "set, with grey beside it, into";
    this.#end(() =>
      this.options.onNote(`its picture is now ${name}, and ${how} the frame of ${layout.width}x${layout.height}`),
    );
  }
}

const nameOf = ({ width, height, aspect }: Shape): string =>
  `${width}x${height}${isSameAspect(aspect, width / height) ? "" : ` with pixels that are not square (${aspect.toFixed(3)}:1)`}`;
