import type { Tensor } from "@tensorflow/tfjs-core";
import { tf } from "./tensorflow.js";

/** `[0, 2, 3, …, 1]`: where each axis of the channel-last form comes from. */
export const nhwcOrder = (rank: number): number[] => [0, ...Array.from({ length: rank - 2 }, (_, k) => k + 2), 1];

/** The axis of the channel-last form that holds this axis of the plain one. */
export const nhwcAxis = (axis: number, rank: number): number => (axis === 0 ? 0 : axis === 1 ? rank - 1 : axis - 1);

const isIdentity = (permutation: readonly number[]): boolean => permutation.every((p, k) => p === k);

/** Rearranges axes; where only axes of length 1 move, nothing is copied. */
export function permute(t: Tensor, permutation: readonly number[]): Tensor {
  if (isIdentity(permutation)) return t.clone();
  const moved = permutation.filter((p) => t.shape[p] !== 1);
  if (moved.every((p, k) => k === 0 || p > moved[k - 1]!))
    return tf().reshape(
      t,
      permutation.map((p) => t.shape[p]!),
    );
  return tf().transpose(t, [...permutation]);
}

/**
 * A value of a program while it runs: dims in the program's order, data in that order (`nchw`, whatever its rank), with axis 1 moved to
 * the end (`nhwc`, what TensorFlow's kernels want), or in both. A missing form is made when it is asked for and kept
 * until the value is dropped.
 */
export class DualLayoutTensor {
  #forms: { nchw?: Tensor; nhwc?: Tensor };
  #derived = new Map<string, Tensor>();

  constructor(
    readonly dims: readonly number[],
    forms: { nchw?: Tensor; nhwc?: Tensor },
    /** The values, where they are known before any run. */
    readonly known?: readonly number[],
  ) {
    this.#forms = forms;
    for (const tensor of Object.values(forms)) tf().keep(tensor);
  }

  static ofNchw(tensor: Tensor): DualLayoutTensor {
    return new DualLayoutTensor(tensor.shape, { nchw: tensor });
  }

  /** Of a tensor in the channel-last form. */
  static ofNhwc(tensor: Tensor): DualLayoutTensor {
    const { shape } = tensor;
    return new DualLayoutTensor([shape[0]!, shape.at(-1)!, ...shape.slice(1, -1)], { nhwc: tensor });
  }

  get rank(): number {
    return this.dims.length;
  }
  get size(): number {
    return this.dims.reduce((a, b) => a * b, 1);
  }
  get hasNchw(): boolean {
    return this.#forms.nchw !== undefined;
  }
  get hasNhwc(): boolean {
    return this.#forms.nhwc !== undefined;
  }

  nchw(): Tensor {
    const { nhwc } = this.#forms;
    this.#forms.nchw ??= tf().keep(permute(nhwc!, [0, this.rank - 1, ...this.dims.slice(2).map((_, k) => k + 1)]));
    return this.#forms.nchw;
  }

  /** Needs three axes or more. */
  nhwc(): Tensor {
    this.#forms.nhwc ??= tf().keep(permute(this.#forms.nchw!, nhwcOrder(this.rank)));
    return this.#forms.nhwc;
  }

  /** Another arrangement of the same values, made once. */
  derived(key: string, make: () => Tensor): Tensor {
    let known = this.#derived.get(key);
    if (!known) {
      known = tf().keep(tf().tidy(make));
      this.#derived.set(key, known);
    }
    return known;
  }

  /** As it broadcasts against a channel-last tensor of this rank. */
  nhwcAgainst(rank: number): Tensor {
    if (this.rank === rank) return this.nhwc();
    if (this.size === 1) return this.nchw();
    return this.derived(`nhwc${rank}`, () => {
      const dims = [...Array.from({ length: rank - this.rank }, () => 1), ...this.dims];
      return permute(tf().reshape(this.nchw(), dims), nhwcOrder(rank));
    });
  }

  drop(): void {
    for (const tensor of [...Object.values(this.#forms), ...this.#derived.values()]) tensor.dispose();
    this.#forms = {};
    this.#derived.clear();
  }
}
