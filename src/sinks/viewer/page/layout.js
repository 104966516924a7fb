/** How many columns of tiles show the pictures largest. Lengths in CSS pixels. */
const PICTURE = 16 / 9;
const GAP = 14;

/** Share of a tile that is left for its picture, beside or above its figures. */
function pictureWidth(width, height) {
  const beside = Math.min(width * 0.66, height * 0.7 * PICTURE);
  const above = Math.min(width, (height - 230) * PICTURE);
  return Math.max(beside, above);
}

/** `{ columns, rowHeight }`; a `rowHeight` above an equal share of the height means that the page scrolls. */
export function arrange(count, width, height, rem) {
  const lowest = 15 * rem;
  let best = { columns: 1, rowHeight: height, size: -1 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const tileWidth = (width - GAP * (columns - 1)) / columns;
    if (columns > 1 && tileWidth < 22 * rem) break;
    const rowHeight = Math.max((height - GAP * (rows - 1)) / rows, lowest);
    const overflow = rowHeight * rows > height + 1 ? 0.6 : 1;
    const size = pictureWidth(tileWidth, rowHeight) * overflow;
    if (size > best.size) best = { columns, rowHeight, size };
  }
  return { columns: best.columns, rowHeight: Math.floor(best.rowHeight) };
}
