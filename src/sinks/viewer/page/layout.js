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
    const share = (height - GAP * (rows - 1)) / rows;
    const rowHeight = share >= lowest ? share : Math.min(height, Math.max(lowest, tileWidth / 2));
    const onScreen = Math.min(1, height / (rowHeight * rows));
    const size = pictureWidth(tileWidth, rowHeight) * onScreen;
    if (size > best.size) best = { columns, rowHeight, size };
  }
  return { columns: best.columns, rowHeight: Math.floor(best.rowHeight) };
}
