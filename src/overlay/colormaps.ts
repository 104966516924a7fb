/**
 * Each colormap is 33 evenly spaced colours, linear in between, within 2 levels of the published 256.
 * inferno, viridis: Nathaniel Smith and Stéfan van der Walt, matplotlib, CC0.
 * turbo: Anton Mikhailov, copyright 2019 Google LLC, Apache-2.0.
 */
const inferno =
  "000004 040312 0b0724 150b37 210c4a 2e0a5a 3c0965 4a0c6b 57106d 63146e 70196e 7d1e6d 89226a 962766 a32b61 af315c bb3755 c63e4d d14644 db4f3b e35932 eb6528 f1711e f67f14 f98d0a fb9c06 fcab0f fbba1f f9ca32 f5d949 f2e865 f3f586 fcffa4";
const viridis =
  "440154 470d60 48186a 482374 472d7b 453681 424086 3f4989 3b528b 375a8d 33638d 2f6a8e 2c728e 297a8e 26818e 23898e 21908c 1f988b 1f9f88 21a685 28ae80 31b57b 3ebc74 4cc26c 5dc963 6ece58 82d34c 96d83f abdc32 c0df24 d5e21a eae51a fde725";
const turbo =
  "30123b 392a73 4040a1 4456c7 466be3 467ff6 4293ff 37a7fa 29bbec 1dcdd8 18dcc3 1ee8b0 31f299 4cf97e 6bfd64 8aff4d a3fd3c b8f735 cced34 dee037 edd03a f8c03a fdae35 fe982c fb8022 f56817 ec520f e04009 d23105 c02302 ac1701 950d01 7a0403";

/** Colours as numbers 0..255, red, green, blue in turn. */
const parse = (text: string): readonly number[] =>
  text.split(" ").flatMap((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));

export const COLORMAPS = {
  inferno: parse(inferno),
  viridis: parse(viridis),
  turbo: parse(turbo),
  grey: parse("000000 ffffff"),
  /** For signed relevance: how strongly a pixel raises (red) or lowers (blue) the score. */
  raises: parse("ff9b7d ff5a36 e0101f"),
  lowers: parse("8cc0ff 3690ff 1046e0"),
} as const satisfies Record<string, readonly number[]>;

/** Colour at `t` (0..1, clamped) of a colormap, as numbers 0..255. */
export function colourAt(name: keyof typeof COLORMAPS, t: number): [red: number, green: number, blue: number] {
  const points = COLORMAPS[name];
  const last = points.length / 3 - 1;
  const place = Math.min(1, Math.max(0, t)) * last;
  const index = Math.min(last - 1, Math.floor(place));
  const share = place - index;
  const channel = (c: number): number => points[3 * index + c]! * (1 - share) + points[3 * (index + 1) + c]! * share;
  return [channel(0), channel(1), channel(2)];
}
