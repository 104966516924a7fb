import type { Layer } from "../network/network.js";
import type { Value } from "../program/emitter.js";
import type { Scope } from "./scope.js";
import type { WeightMap } from "./weight-map.js";

/** What several winners of a window do: share equally, or leave it all to the first, row by row. */
export type Ties = "share" | "first";

interface Emission<L extends Layer> {
  /** Emits the layer on the values of the scope; several values where it has several outputs. */
  forward(scope: Scope, layer: L): Value | Value[];
}
interface Differentiable<L extends Layer> {
  /** The gradient at each of its inputs, dims of that input, from the gradient `g` at its output. */
  gradient(scope: Scope, layer: L, g: Value): Value[];
}

/** `z_j = Σ_i a_i w_ij + b_j`. */
export interface Linear<L extends Layer> extends Emission<L> {
  /** `Σ_j w_ij g_j`, dims of the layer's input. */
  transposed(scope: Scope, layer: L, g: Value): Value;
  /** `transposed` gives what only broadcasts to those dims. */
  broadcasts?: true;
}
/** With weights that are known before it runs. */
export interface Constant<L extends Layer> extends Linear<L> {
  /** `Σ_i a_i m(w_ij)` without bias. */
  with(scope: Scope, layer: L, a: Value, map: WeightMap): Value;
}
/** With weights of its own, which rules may map. */
export interface Weighted<L extends Layer> extends Constant<L> {
  family: "weighted";
  /** `Σ_j m(w_ij) g_j`, dims of the layer's input, one value for each map `m` of the weights. */
  transposedWith(scope: Scope, layer: L, g: Value, maps: readonly WeightMap[]): Value[];
  /** `S_j = ‖w_j‖₁ · mean |a|` over what neuron j reads, plus `least`, broadcastable against the output; `a` is `|a|`. */
  reach(scope: Scope, layer: L, a: Value, least: number): Value;
}
/** With weights that follow from its geometry, and perhaps a folded scale. */
export interface Averaging<L extends Layer> extends Constant<L> {
  family: "averaging";
}
/** With another tensor as its weights, which says how much of each element counts: inputs [signal, gate]. */
export interface Mixing<L extends Layer> extends Linear<L>, Differentiable<L> {
  family: "mixing";
  /** `Σ_i |a_i w_ij|`. */
  magnitude(scope: Scope, layer: L): Value;
}
/** `z_j = Σ_i a_i b_ij` of two tensors that both say what: linear in each. */
export interface Bilinear<L extends Layer> extends Emission<L>, Differentiable<L> {
  family: "bilinear";
  /** `Σ_i |a_i b_ij|`. */
  magnitude(scope: Scope, layer: L): Value;
}
/** `z = u · v`, element by element, of two tensors that both say what. */
export interface Signals<L extends Layer> extends Emission<L>, Differentiable<L> {
  family: "signals";
}
/** `y_i = f(x_i)`, or nearly so: relevance stays where it is. */
export interface OneToOne<L extends Layer> extends Emission<L>, Differentiable<L> {
  family: "one-to-one";
  /** −1 where it falls and 1 where it rises; undefined where it rises everywhere. */
  slope?(scope: Scope, layer: L): Value | undefined;
}
/** Elements moved, copied or left out, none changed. */
export interface Reindexing<L extends Layer> extends Emission<L> {
  family: "reindexing";
  /**
   * What arrives at each input, dims of that input, from what left the outputs, in whatever form; an output that nothing left
   * counts as zero, and at least one is given.
   */
  back(scope: Scope, layer: L, parts: readonly (Value | undefined)[]): Value[];
  /** Each element of the input is one of the output and the other way round, so that sums over them stay. */
  permutes?: true;
}
/** `z = Σ_m u_m`. */
export interface Sum<L extends Layer> extends Emission<L>, Differentiable<L> {
  family: "sum";
}
/** `y = signal · gate`, inputs in that order. */
export interface Gate<L extends Layer> extends Emission<L>, Differentiable<L> {
  family: "gate";
}
/** The largest of each window. */
export interface Maximum<L extends Layer> extends Emission<L> {
  family: "maximum";
  /** Moves `r` (dims of the output) to the winner of each window; overlapping windows add. */
  back(scope: Scope, layer: L, r: Value, ties: Ties): Value;
  /** Windows tile the input: none overlaps another, none is padded. */
  tiles(scope: Scope, layer: L): boolean;
  /** `Σ v` over each window, dims of the output. */
  windowSums(scope: Scope, layer: L, v: Value): Value;
  /** `Σ_j g_j` over the windows that hold each element, dims of the input. */
  spread(scope: Scope, layer: L, g: Value): Value;
}
/** What relevance does not cross. */
export interface Opaque<L extends Layer> extends Emission<L>, Partial<Differentiable<L>> {
  family: "opaque";
}

/** All that is known of one layer kind: how it is emitted, and to which family it belongs on the way back. */
export type LayerRecord<L extends Layer> =
  | Weighted<L>
  | Averaging<L>
  | Mixing<L>
  | Bilinear<L>
  | Signals<L>
  | OneToOne<L>
  | Reindexing<L>
  | Sum<L>
  | Gate<L>
  | Maximum<L>
  | Opaque<L>;
export type Family = LayerRecord<Layer>["family"];
