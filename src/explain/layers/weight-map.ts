import type { Weights } from "../network/network.js";

/** What a rule makes of each weight. */
export type WeightMap = (w: number) => number;
export const same: WeightMap = (w) => w;
export const positive: WeightMap = (w) => Math.max(w, 0);
export const negative: WeightMap = (w) => Math.min(w, 0);

/** Weights that stay what they are stay one constant of the program. */
export const mapWeights = (w: Weights, map: WeightMap): Weights =>
  map === same ? w : { dims: w.dims, data: w.data.map(map) };
