import type { Expansion } from "./writer.js";

/** Slices of a tensor replaced by others at constant places, as exporters write assignments: both in a row, then picked from it. */
export const ScatterND: Expansion = (w) => {
  const { node, importer } = w;
  if (node.text("reduction", "none") !== "none") importer.refuse(node, "it adds up what it assigns");
  const indices = importer.weight(node, 1, "list of places");
  const dims = w.dims(0);
  const given = indices.dims.at(-1) ?? 0;
  const batch = importer.isTensor(node, 0) ? importer.view(node, 0).place : importer.view(node, 2).place;
  // A file for one frame names the first of the batch.
  const named = batch.axis === 0 && importer.oneFrame && indices.data.every((v, k) => k % given !== 0 || v === 0);
  const skipped = named ? 1 : 0;
  if (batch.axis < given && !named) importer.refuse(node, "it assigns to places that are counted along the batch");
  const depth = given - skipped;
  const places = depth === 0 ? 1 : dims.slice(skipped, given).reduce((a, b) => a * b, 1);
  const count = given === 0 ? 0 : indices.data.length / given;
  // Places are held as numbers of 8 bytes, and once more in a list.
  importer.budget.take(importer, node, 4 * (places + count));
  const at = Float64Array.from({ length: count }, (_, k) => {
    const place = Array.from({ length: depth }, (_, axis) => {
      const raw = indices.data[k * given + skipped + axis]!;
      return raw < 0 ? raw + dims[skipped + axis]! : raw;
    });
    return place.reduce((flat, index, axis) => flat * dims[skipped + axis]! + index, 0);
  });
  if (!(places <= 2 ** 20) || at.some((p) => !(Number.isInteger(p) && p >= 0 && p < places)))
    importer.refuse(node, `its places do not fit a tensor of dims [${dims.join(", ")}]`);
  const from = Array.from({ length: places }, (_, k) => k);
  at.forEach((place, k) => {
    from[place] = places + k;
  });
  const [first, rest] = [dims.slice(0, skipped), dims.slice(given)];
  const shaped = (name: string, n: number): string => w.op("Reshape", [name, w.ints([...first, n, ...rest])]);
  const row = w.op("Concat", [shaped(w.needed(0), places), shaped(w.needed(2), count)], { axis: skipped });
  const picked = w.op("Gather", [row, w.ints(from)], { axis: skipped });
  w.op("Reshape", [picked, w.ints(dims)], {}, node.outputs[0]);
};
