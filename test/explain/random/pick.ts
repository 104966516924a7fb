import type { Tensor, Writer } from "./writer.js";

/** Builds on a tensor; the numbers `n` say which of its variants. */
export type Block = (w: Writer, x: Tensor, n: number[]) => Tensor;
export const pick = <T>(list: readonly T[], k: number): T => list[k % list.length]!;
