import sharp, { type Sharp } from "sharp";
import { reasonOf, VideoExplainerError } from "../errors.js";
import { type FrameLayout, frameBytes } from "../frame.js";
import { type Canvas, createCanvas } from "./canvas.js";
import { createCaptionDrawer } from "./caption.js";
import { heatTable } from "./heat-table.js";
import type { OverlayRequest, OverlayResult } from "./overlay.js";
import { drawOutline, type Picture } from "./picture.js";
import { createTextSetter } from "./text.js";

const drawingError = (what: string): VideoExplainerError =>
  new VideoExplainerError("overlay", `the overlay of a frame cannot be drawn: ${what}`);

/** Any error as an error of the overlay. */
export const overlayError = (error: unknown): VideoExplainerError =>
  error instanceof VideoExplainerError ? error : drawingError(reasonOf(error).split("\n", 1)[0]!.replace(/\.$/, ""));

function check({ layout, memory, heatmap }: OverlayRequest): void {
  const { width, height, inputWidth, inputHeight, stride, placement } = layout;
  const sizes = { width, height, inputWidth, inputHeight, stride };
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(size) || size < 1) throw drawingError(`its layout has the ${name} ${size}`);
  }
  if (stride < 3 * width) throw drawingError(`its rows of ${width} pixels do not fit a stride of ${stride} bytes`);
  const needed = frameBytes(layout);
  if (memory.byteLength < needed) {
    throw drawingError(`its memory holds ${memory.byteLength} bytes, its layout needs ${needed}`);
  }
  if (!heatmap) return;
  const { rect, clip } = placement;
  const numbers = [rect.x, rect.y, rect.width, rect.height, clip.x, clip.y, clip.width, clip.height];
  if (!numbers.every(Number.isFinite) || rect.width <= 0 || rect.height <= 0) {
    throw drawingError(`the model's input lies nowhere on it (placement ${JSON.stringify(placement)})`);
  }
  if (heatmap.length !== inputWidth * inputHeight) {
    throw drawingError(`its heatmap has ${heatmap.length} values, ${inputWidth} x ${inputHeight} are needed`);
  }
}

/**
 * sharp's `toUint8Array` leaks its result (0.35.5), and the memory of `toBuffer` cannot be transferred to
 * another thread: hence a copy.
 */
const encoded = async (image: Sharp): Promise<Uint8Array> => new Uint8Array(await image.toBuffer());

export const encodeJpeg = ({ pixels, width, height }: Picture, quality: number): Promise<Uint8Array> =>
  encoded(
    sharp(pixels, { raw: { width, height, channels: 3 } })
      // Optimised Huffman tables would save 2 to 17 % of the bytes for half as much CPU again.
      .jpeg({ quality, chromaSubsampling: "4:2:0", optimiseCoding: false }),
  );

export const encodeHeatmap = (values: Uint8Array, width: number, height: number): Promise<Uint8Array> =>
  encoded(
    sharp(values, { raw: { width, height, channels: 1 } })
      .toColourspace("b-w")
      .png({ compressionLevel: 1, adaptiveFiltering: false }),
  );

/** Copies the picture out of its slab, rows without gaps. */
export function copyPicture(memory: SharedArrayBuffer, layout: FrameLayout, canvas: Canvas): Picture {
  const { width, height, stride } = layout;
  const row = 3 * width;
  const picture = canvas.open({ width, height, columns: layout.inputWidth, rows: layout.inputHeight });
  const { pixels } = picture;
  const slab = new Uint8Array(memory);
  if (stride === row) pixels.set(slab.subarray(0, row * height));
  else for (let y = 0; y < height; y++) pixels.set(slab.subarray(y * stride, y * stride + row), y * row);
  return picture;
}

/** Draws and encodes one request at a time: await each. Not to be used on the event loop of the program. */
export function createPainter() {
  // Frames never come again: a cache would only hold old ones.
  sharp.cache(false);
  sharp.concurrency(1);
  const setter = createTextSetter();
  const captions = createCaptionDrawer(setter);
  const canvas = createCanvas();

  return {
    /** Loads the font. */
    async warm(): Promise<void> {
      await setter.set("0", 16, false);
    },
    /** The result's arrays are the caller's own, to be transferred. */
    async paint(request: OverlayRequest): Promise<OverlayResult> {
      const started = performance.now();
      check(request);
      const { layout, heatmap, style, want } = request;
      const result: OverlayResult = { milliseconds: 0 };
      if (want.overlay || want.original) {
        const picture = copyPicture(request.memory, layout, canvas);
        if (want.original) result.original = await encodeJpeg(picture, style.quality);
        if (want.overlay) {
          if (heatmap) {
            const plane = { columns: layout.inputWidth, rows: layout.inputHeight, values: heatmap };
            canvas.drawHeat(plane, layout.placement, heatTable(style));
          }
          drawOutline(picture, layout.placement.clip);
          await captions.draw(picture, request.caption);
          result.overlay = await encodeJpeg(picture, style.quality);
        }
      }
      if (want.heatmap && heatmap) result.heatmap = await encodeHeatmap(heatmap, layout.inputWidth, layout.inputHeight);
      result.milliseconds = performance.now() - started;
      return result;
    },
  };
}
