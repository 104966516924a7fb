/** The small print below: what the colours stand for. */
import { drawScale } from "./colors.js";
import { perPixel } from "./format.js";

const TEXTS = {
  original: {
    text: "The picture as the camera gave it. Magnitude, signed and positive show what the decision rests on.",
  },
  magnitude: {
    low: "0",
    high: "large",
    text: "Share of the decision that each place holds, for or against the class shown. All shares of a picture add up to 100 %.",
  },
  signed: {
    low: "− against",
    high: "for +",
    text: "Share of the decision: warm places speak for the class shown, blue ones against it. All shares, without their sign, add up to 100 %.",
  },
  positive: {
    low: "0",
    high: "large",
    text: "Share of the decision that speaks for the class shown. What speaks against it is left out.",
  },
};

const byId = (id) => document.getElementById(id);

/** `scale` is the share per pixel at the end of the colours, where one source alone is on screen; else null. */
export function showLegend(mode, scale) {
  const { low, high, text } = TEXTS[mode];
  byId("legend-text").textContent = text;
  byId("scale").hidden = mode === "original";
  if (mode === "original") return;
  const end = scale ? perPixel(scale) : high;
  byId("scale-low").textContent = scale && mode === "signed" ? `− ${end}` : low;
  byId("scale-high").textContent = scale && mode === "signed" ? `+ ${end}` : end;
  drawScale(byId("scale-bar"), mode);
}
