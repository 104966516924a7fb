import { elements, type TensorId } from "../network/network.js";
import { BATCH } from "./batch.js";

/**
 * Where the batch stands among the axes of a tensor of the file: on `axis`, which holds `outer` · N · `inner` elements,
 * such as the windows of each frame. A network's own tensors have it first and alone.
 */
export interface Place {
  axis: number;
  outer: number;
  inner: number;
}
export const FIRST: Place = { axis: 0, outer: 1, inner: 1 };
export const isFirst = ({ axis, outer, inner }: Place): boolean => axis === 0 && outer === 1 && inner === 1;

/** A tensor of the network as the file sees it. */
export interface View {
  id: TensorId;
  /** Its dims in the file for one frame: `outer · inner` on the batch's axis. */
  dims: readonly number[];
  place: Place;
}

const long = (sizes: readonly number[]): number[] => sizes.filter((d) => d !== 1);

/** The dims that the network has a tensor of the file under: the batch first, what else was on its axis in its place. */
export const networkDims = (dims: readonly number[], { axis, outer, inner }: Place): number[] => [
  -1,
  ...dims.slice(0, axis),
  ...long([outer, inner]),
  ...dims.slice(axis + 1),
];

/** Dims in the file, for one frame, of a tensor of the network. */
export function fileDims(shape: readonly number[], { axis, outer, inner }: Place): number[] {
  const after = 1 + axis + long([outer, inner]).length;
  return [...shape.slice(1, 1 + axis), outer * inner, ...shape.slice(after)];
}

/** Dims as shape arithmetic sees them, the batch as its marker. */
export const markedDims = ({ dims, place }: View): number[] => dims.map((d, k) => (k === place.axis ? d * BATCH : d));

/** Dims for messages. */
export const shownDims = ({ dims, place }: View): string =>
  `[${dims.map((d, k) => (k === place.axis ? (d === 1 ? "N" : `${d}*N`) : d)).join(", ")}]`;

/** The axes of the network's tensor that an axis of the file is: one, or for the batch's as many as it holds more. */
export function networkAxes({ place }: Pick<View, "place">, axis: number): number[] {
  const held = long([place.outer, place.inner]).length;
  if (axis === place.axis) return Array.from({ length: held }, (_, k) => 1 + axis + k);
  return [axis < place.axis ? axis + 1 : axis + held];
}

/** The permutation of the network's axes that one of the file's axes is, and where the batch then stands. */
export function transposed(view: View, permutation: readonly number[]): { permutation: number[]; place: Place } {
  return {
    permutation: [0, ...permutation.flatMap((k) => networkAxes(view, k))],
    place: { ...view.place, axis: permutation.indexOf(view.place.axis) },
  };
}

/** The batch's place when axes of the file are left out, or others put before it. */
export const withoutAxes = (place: Place, axes: readonly number[]): Place => ({
  ...place,
  axis: place.axis - axes.filter((k) => k < place.axis).length,
});

/**
 * Where the batch is after a reshape: before and behind it stand as many elements of a frame as there were.
 * @param target dims for one frame; none left open
 * @param marked the axis that names the batch, if one does
 * @param open the axis that the file leaves open, if it does
 * @returns undefined where no axis of the target begins or is cut between the same elements
 */
export function placeAfterReshape(
  { dims, place }: View,
  target: readonly number[],
  marked: number | undefined,
  open: number | undefined,
): Place | undefined {
  const before = elements(dims.slice(0, place.axis)) * place.outer;
  const places = target.flatMap((d, axis): Place[] => {
    const outer = before / elements(target.slice(0, axis));
    const inner = d / outer;
    return Number.isInteger(outer) && Number.isInteger(inner) ? [{ axis, outer, inner }] : [];
  });
  if (marked !== undefined) return places.find(({ axis }) => axis === marked);
  const whole = places.filter(({ outer, inner }) => outer === 1 && inner === 1);
  return (
    whole.find(({ axis }) => axis === open) ??
    // A file for one frame writes the batch as 1.
    whole[0] ??
    places.find(({ axis }) => axis === open) ??
    places.find(({ outer }) => outer === 1) ??
    places[0]
  );
}
