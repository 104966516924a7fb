/** How pictures become the model's input: `(v − mean) / std` for v in 0..255, one value each or one a channel. */
export interface Preprocessing {
  width: number;
  height: number;
  /** 3 for colour, 1 for grey. */
  channels: 1 | 3;
  channelOrder: "RGB" | "BGR";
  layout: "NCHW" | "NHWC";
  mean: readonly number[];
  std: readonly number[];
}

/** The model's input for a grey pixel of this value (0..255), one a channel. */
export const inputValues = (p: Preprocessing, pixel: number): number[] =>
  p.mean.map((m, c) => (pixel - m) / p.std[c % p.std.length]!);
