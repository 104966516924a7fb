/** Colour tables: 256 entries of RGBA for the 8-bit heatmap, where 128 is zero, 255 and 1 are the ends of the scale. */

const stops = (text) => text.split(" ").map((hex) => [0, 2, 4].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)));
const INFERNO = stops("000004 1f0c48 56106e 88226a bc3754 e35933 f98c0a f9c932 fcffa4");
const FOR = stops("ff9b7d ff5a36 e0101f");
const AGAINST = stops("8cc0ff 3690ff 1046e0");
const OPACITY = 0.75;

const mix = (colours, t) => {
  const at = Math.min(Math.max(t, 0), 1) * (colours.length - 1);
  const i = Math.min(Math.floor(at), colours.length - 2);
  return colours[i].map((c, channel) => c + (colours[i + 1][channel] - c) * (at - i));
};

/** How much of the picture the heat covers at this share of the scale. */
const cover = (m) => OPACITY * m * (2 - m);

// The darkest fifth of inferno would only dirty the picture: it begins where there is colour.
const heat = (m) => [...mix(INFERNO, 0.2 + 0.8 * m), cover(m)];
const signed = (v) => [...mix(v > 0 ? FOR : AGAINST, Math.abs(v)), cover(Math.abs(v))];

const PAINT = {
  magnitude: (v) => heat(Math.abs(v)),
  positive: (v) => heat(Math.max(0, v)),
  signed,
};

const table = (paint) => {
  const bytes = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const [r, g, b, a] = paint(Math.max(-1, (i - 128) / 127));
    bytes.set([r, g, b, a * 255], i * 4);
  }
  return new Uint32Array(bytes.buffer);
};

/** One table for each way to show relevance. */
export const TABLES = Object.fromEntries(Object.entries(PAINT).map(([mode, paint]) => [mode, table(paint)]));

/** Colours RGBA pixels, whose red channel holds the heatmap, in place. */
export function colour(pixels, mode) {
  const lookup = TABLES[mode];
  const words = new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.byteLength / 4);
  const low = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 24;
  for (let i = 0; i < words.length; i++) words[i] = lookup[(words[i] >>> low) & 255];
}

/** Draws the colour bar of a mode over a 256 by 1 canvas. */
export function drawScale(canvas, mode) {
  const context = canvas.getContext("2d");
  const bar = context.createImageData(256, 1);
  const words = new Uint32Array(bar.data.buffer);
  for (let i = 0; i < 256; i++) words[i] = TABLES[mode][mode === "signed" ? Math.max(1, i) : 128 + (i >> 1)];
  context.clearRect(0, 0, 256, 1);
  context.putImageData(bar, 0, 0);
}

const CLASS_COLOURS = 10;
const labels = new Map();

/** CSS variable that holds a class's colour: the same in every tile, in order of first appearance. */
export function classColour(label) {
  if (!labels.has(label)) labels.set(label, labels.size % CLASS_COLOURS);
  return `--class-${labels.get(label)}`;
}
