import { InputError } from "../errors.js";
import type { ModelInfo } from "../explain/explanation.js";
import { fitting, modelRows, type Rect } from "../frame.js";
import { PictureMemory } from "../pictures/memory.js";
import { readPicture } from "../pictures/picture.js";
import type { EvaluatedImage } from "./images.js";

/** An image as the model sees it, with the masks of its targets: RGB, 3 bytes a pixel, rows without gaps, in shared memory. */
export interface Pixels {
  image: Uint8Array;
  masks: (Uint8Array | undefined)[];
  /** The part of the model's input that the picture fills. */
  filled: Rect;
}

/** What is kept of images that come again; those beyond it are decoded again. */
const KEPT_BYTES = 256 * 2 ** 20;

/**
 * Reads images and masks by the program's one decoder, and keeps what there is room for. The memory of the others is used again: shared
 * memory is freed only once every thread that saw it has collected its garbage.
 */
export class PixelReader {
  readonly #memory = new PictureMemory(2);
  readonly #kept = new Map<EvaluatedImage, Pixels>();
  readonly #free: Uint8Array[] = [];
  #left = KEPT_BYTES;

  constructor(private readonly model: ModelInfo) {}

  /** @throws InputError where the image or a mask cannot be read, or they differ in size */
  async read(image: EvaluatedImage): Promise<Pixels> {
    const known = this.#kept.get(image);
    if (known) return known;
    const { pixels: first, width, height } = await this.#decoded(image.path, image.shown);
    const masks: Pixels["masks"] = [];
    for (const { mask } of image.targets.length > 0 ? image.targets : [image]) {
      if (mask === undefined) {
        masks.push(undefined);
        continue;
      }
      const read = await this.#decoded(mask, mask, "black");
      if (read.width !== width || read.height !== height)
        throw new InputError(
          "evaluate-mask",
          `the mask ${mask} has ${read.width}x${read.height} pixels and its image ${image.shown} ${width}x${height}; give a mask of the image's size`,
        );
      masks.push(read.pixels);
    }
    const { target: filled } = fitting({ x: 0, y: 0, width, height }, this.model);
    const pixels = { image: first, masks, filled };
    const bytes = first.length * partsOf(pixels).length;
    if (bytes <= this.#left) {
      this.#left -= bytes;
      this.#kept.set(image, pixels);
    }
    return pixels;
  }

  /** What `read` gave is not in use any more. */
  release(image: EvaluatedImage, pixels: Pixels): void {
    if (this.#kept.get(image) !== pixels) this.#free.push(...partsOf(pixels));
  }

  async #decoded(
    path: string,
    shown: string,
    behind?: "black",
  ): Promise<{ pixels: Uint8Array; width: number; height: number }> {
    const { inputWidth, inputHeight } = this.model;
    const picture = await readPicture(path, shown, this.model, { memory: this.#memory, behind });
    const { offset, stride } = modelRows(picture.layout);
    const row = 3 * inputWidth;
    const pixels = this.#free.pop() ?? new Uint8Array(new SharedArrayBuffer(row * inputHeight));
    const from = new Uint8Array(picture.memory);
    for (let y = 0; y < inputHeight; y++)
      pixels.set(from.subarray(offset + y * stride, offset + y * stride + row), y * row);
    const { width, height } = picture.layout;
    this.#memory.give(picture.memory);
    picture.release();
    return { pixels, width, height };
  }
}

const partsOf = ({ image, masks }: Pixels): Uint8Array[] => [image, ...masks.filter((mask) => mask !== undefined)];
