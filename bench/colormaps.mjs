/**
 * Which colormap is even and can be read by the colour-blind: prints a table of those that the program has.
 *
 *   npm run build && node bench/colormaps.mjs [--python PATH]
 *
 * uneven: standard deviation of the distances between 33 evenly spaced strengths, over their mean. least step: the smallest of them. over
 * pictures: distance of a pixel with heat of half strength, at the default opacity, from the pixel alone; nine in ten pixels have more, in a frame of the
 * film and a picture of a part. Fetches colorspacious and numpy from PyPI the first time; --python names an interpreter that has them.
 */
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { filmFrame } from "./film-frame.mjs";
import { pythonWith } from "./python.mjs";

const { colourAt } = await import("../dist/overlay/colormaps.js");
const { heatAt } = await import("../dist/overlay/heat-table.js");

const { values: args } = parseArgs({ options: { python: { type: "string" } } });
const at = (path) => new URL(`../${path}`, import.meta.url).pathname;
const python = args.python ?? pythonWith("colormaps", ["colorspacious", "numpy"]);

const sources = [filmFrame(), at("test/fixtures/inspection/images/0000.png")];
const pictures = [];
for (const source of sources) {
  const pixels = await sharp(source)
    .resize(24, 24, { fit: "fill" })
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer();
  for (let k = 0; k < pixels.length; k += 3) pictures.push([...pixels.subarray(k, k + 3)]);
}

const STRENGTHS = Array.from({ length: 33 }, (_, k) => k / 32);
/** Heat of half strength. */
const HALF = 128 + 127 / 2;
const NAMES = /** @type {const} */ (["inferno", "viridis", "turbo", "grey", "raises", "lowers"]);
const sequential = Object.fromEntries(
  NAMES.map((name) => {
    const colours = STRENGTHS.map((t) => colourAt(name, t));
    const isSigned = name === "raises" || name === "lowers";
    const style = isSigned
      ? { show: /** @type {const} */ ("signed"), colormap: /** @type {const} */ ("inferno"), opacity: 0.6 }
      : { show: /** @type {const} */ ("magnitude"), colormap: name, opacity: 0.6 };
    const { red, green, blue, cover } = heatAt(style, name === "lowers" ? 256 - HALF : HALF);
    const over = pictures.map((pixel) => pixel.map((v, c) => v * (1 - cover) + [red, green, blue][c] * cover));
    return [name, { colours, over }];
  }),
);
const signed = Object.fromEntries([0.25, 0.5, 1].map((t) => [t, [colourAt("raises", t), colourAt("lowers", t)]]));
const input = JSON.stringify({ sequential, signed, pictures });
process.stdout.write(execFileSync(python, [at("bench/colormaps.py")], { input }));
