import sharp from "sharp";
import type { Rect } from "../frame.js";
import { createCanvas } from "../overlay/canvas.js";
import { type HeatStyle, heatTable } from "../overlay/heat-table.js";
import type { HeatmapPlacement } from "./placement.js";

export interface DrawOptions extends Partial<HeatStyle> {
  /** JPEG quality, 1 to 100. Default: 80. */
  quality?: number;
}

/** See `drawHeatmap`. Without a placement the heatmap is stretched over the whole frame. */
export async function draw(
  frame: Uint8Array,
  { heatmap, placement }: { heatmap: Uint8Array; placement?: HeatmapPlacement | undefined },
  { show = "magnitude", colormap = "inferno", opacity = 0.6, quality = 80 }: DrawOptions,
): Promise<Uint8Array> {
  const picture = await sharp(frame)
    .autoOrient()
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const heat = await sharp(heatmap).toColourspace("b-w").raw().toBuffer({ resolveWithObject: true });
  const { width, height } = picture.info;
  const [columns, rows] = [heat.info.width, heat.info.height];
  const canvas = createCanvas();
  const drawn = canvas.open({ width, height, columns, rows });
  drawn.pixels.set(picture.data);
  const whole = { x: 0, y: 0, width, height };
  const place = placement
    ? { rect: scaled(placement.rect, placement, drawn), clip: scaled(placement.clip, placement, drawn) }
    : { rect: whole, clip: whole };
  canvas.drawHeat({ columns, rows, values: heat.data }, place, heatTable({ show, colormap, opacity }));
  const jpeg = await sharp(drawn.pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality })
    .toBuffer();
  return new Uint8Array(jpeg);
}

/** A rectangle of one frame on a frame of another size. */
function scaled({ x, y, width, height }: Rect, from: Size, to: Size): Rect {
  const [across, down] = [to.width / from.width, to.height / from.height];
  return { x: x * across, y: y * down, width: width * across, height: height * down };
}

type Size = Readonly<Record<"width" | "height", number>>;
