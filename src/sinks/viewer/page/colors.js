/** Colour tables: 256 entries of RGBA for the 8-bit heatmap, where 128 is zero, 255 and 1 are the ends of the scale. */
let tables = {};

/** One table for each way to show relevance, in base64, as the worker draws overlays. */
export function takeTables(encoded) {
  const read = (text) => new Uint32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  tables = Object.fromEntries(Object.entries(encoded).map(([mode, text]) => [mode, read(text)]));
}

/** The same array until other tables come. */
export const tableOf = (mode) => tables[mode];

/** Colours RGBA pixels, whose red channel holds the heatmap, in place. */
export function colour(pixels, lookup) {
  const words = new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.byteLength / 4);
  const low = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 24;
  for (let i = 0; i < words.length; i++) words[i] = lookup[(words[i] >>> low) & 255];
}

/** Draws the colour bar of a mode over a 256 by 1 canvas. */
export function drawScale(canvas, mode) {
  const lookup = tables[mode];
  if (!lookup) return;
  const context = canvas.getContext("2d");
  const bar = context.createImageData(256, 1);
  const words = new Uint32Array(bar.data.buffer);
  for (let i = 0; i < 256; i++) words[i] = lookup[mode === "signed" ? Math.max(1, i) : 128 + (i >> 1)];
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
