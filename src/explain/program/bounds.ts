import type { Emitter, Value } from "./emitter.js";

/** The layer's input values for pixel 0 and pixel 255, broadcastable against its input. */
export interface InputBounds {
  low: Value;
  high: Value;
  /** The same as numbers, where they are known before the program runs: one each, or one a channel of axis 1. */
  numbers?: { low: readonly number[]; high: readonly number[] };
}

/** Dims that make one value a channel broadcast against the input. */
export function rangeDims(values: readonly number[], rank: number, channelAxis: number): number[] {
  return values.length === 1 ? [] : Array.from({ length: rank }, (_, k) => (k === channelAxis ? values.length : 1));
}

/** The network's input values for pixel 0 and 255, one each or one a channel, as rules take them. */
export function emitBounds(
  e: Emitter,
  low: readonly number[],
  high: readonly number[],
  rank: number,
  channelAxis: number,
): InputBounds {
  const value = (v: readonly number[]) => e.tensor(Float32Array.from(v), rangeDims(v, rank, channelAxis));
  const numbers = rank === 4 && channelAxis === 1 ? { low, high } : undefined;
  return { low: value(low), high: value(high), numbers };
}
