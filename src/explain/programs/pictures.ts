import type { Network } from "../network/network.js";
import type { Preprocessing } from "../preprocessing.js";
import { rangeDims } from "../program/bounds.js";
import type { Emitter, Value } from "../program/emitter.js";

/** Shares of red, green and blue in the grey of ITU-R BT.601, as most models for grey pictures are trained. */
const LUMA = [0.299, 0.587, 0.114];

/** An input `frames`, uint8 `[N, height, width, 3]` RGB, and what the network takes for it. */
export function emitPictures(e: Emitter, p: Preprocessing, network: Network): Value {
  let x = e.cast(e.input("frames", "uint8", [-1, p.height, p.width, 3]), "float32");
  if (p.channels === 1) x = e.reduce("ReduceSum", e.mul(x, e.tensor(Float32Array.from(LUMA), [3])), [3]);
  else if (p.channelOrder === "BGR") x = e.op("Gather", [x, e.ints([2, 1, 0])], { axis: { int: 3 } });
  if (p.layout === "NCHW") x = e.transpose(x, [0, 3, 1, 2]);
  const axis = p.layout === "NCHW" ? 1 : 3;
  const per = (values: number[]): Value => e.tensor(Float32Array.from(values), rangeDims(values, 4, axis));
  const scaled = e.mul(x, per(p.std.map((s) => 1 / s)));
  const channels = Math.max(p.mean.length, p.std.length);
  const shift = Array.from({ length: channels }, (_, c) => -p.mean[c % p.mean.length]! / p.std[c % p.std.length]!);
  const normalised = shift.every((v) => v === 0) ? scaled : e.add(scaled, per(shift));
  const dims = network.shapes.get(network.input)!;
  return dims.length === 4 ? normalised : e.reshape(normalised, [-1, ...dims.slice(1)]);
}
