import type { Layer, LayerKind, LayerOf } from "../network/network.js";
import { activation } from "./activation.js";
import { add } from "./add.js";
import { attention } from "./attention.js";
import { averagePool } from "./average-pool.js";
import { conv } from "./conv.js";
import { dense } from "./dense.js";
import { gate } from "./gate.js";
import { gather } from "./gather.js";
import type { Family, LayerRecord } from "./layer.js";
import { lrn } from "./lrn.js";
import { matrixProduct } from "./matrix-product.js";
import { maxPool } from "./max-pool.js";
import { mean } from "./mean.js";
import { norm } from "./norm.js";
import { normalised } from "./normalised.js";
import { pair } from "./pair.js";
import { concat, pad, reshape, slice, split, transpose } from "./reindexing.js";
import { resize } from "./resize.js";
import { rounding } from "./rounding.js";
import { scale } from "./scale.js";
import { select } from "./select.js";
import { signals } from "./signals.js";
import { softmax } from "./softmax.js";

/** Layer kinds. One line registers one. */
export const LAYERS = {
  activation,
  add,
  attention,
  averagePool,
  concat,
  conv,
  dense,
  gate,
  gather,
  lrn,
  matrixProduct,
  maxPool,
  mean,
  norm,
  normalised,
  pad,
  pair,
  reshape,
  resize,
  rounding,
  scale,
  select,
  signals,
  slice,
  softmax,
  split,
  transpose,
} satisfies { [K in LayerKind]: LayerRecord<LayerOf<K>> };

type KindIn<F extends Family> = {
  [K in LayerKind]: (typeof LAYERS)[K] extends { family: F } ? K : never;
}[LayerKind];
/** Layers of some families. */
export type LayerIn<F extends Family> = LayerOf<KindIn<F>>;

/** What is known of a layer's kind. */
export const recordOf = (layer: Layer): LayerRecord<Layer> => LAYERS[layer.kind];
