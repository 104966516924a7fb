import { type HeatStyle, heatAt } from "../../overlay/heat-table.js";
import { OVERLAY_SHOWS, type OverlayShow } from "../../overlay/names.js";

/** How the page draws heat, as overlays are drawn. */
export interface PageStyle {
  /** What is shown to who has chosen nothing. */
  show: OverlayShow;
  /** Of each value of a heatmap (0..255) what is laid over the picture: red, green, blue and cover, a byte each, in base64. */
  tables: Record<OverlayShow, string>;
}

function table(style: HeatStyle): string {
  const bytes = Buffer.alloc(256 * 4);
  for (let level = 0; level < 256; level++) {
    const { red, green, blue, cover } = heatAt(style, level);
    for (const [i, value] of [red, green, blue, 255 * cover].entries()) bytes[4 * level + i] = Math.round(value);
  }
  return bytes.toString("base64");
}

export function pageStyle(style: HeatStyle): PageStyle {
  const [magnitude, signed, positive] = OVERLAY_SHOWS.map((show) => table({ ...style, show })) as [
    string,
    string,
    string,
  ];
  return { show: style.show, tables: { magnitude, signed, positive } };
}
