import { insideOf } from "../pictures/mask.js";
import { disturbances } from "./disturb.js";
import type { Ends } from "./ends.js";
import type { MapSource } from "./map-source.js";
import { BASELINES, type Baseline } from "./metrics/baselines.js";
import { prefersOwn } from "./metrics/class-sensitivity.js";
import { relativeChange } from "./metrics/comparison.js";
import { complexity, sparseness, topShare } from "./metrics/concentration.js";
import { areaUnder, blends, byRelevance } from "./metrics/curves.js";
import { massAccuracy } from "./metrics/mass.js";
import type { MetricName } from "./metrics/names.js";
import { pointingGame } from "./metrics/pointing.js";
import { rankAccuracy } from "./metrics/rank.js";
import type { Item, Measured, Values } from "./worker-messages.js";

/** What measuring needs of the network and the settings. */
export interface Measuring {
  width: number;
  height: number;
  seed: number;
  steps: number;
  metrics: ReadonlySet<MetricName>;
  probabilities(frames: Uint8Array): Promise<Float32Array[]>;
  ends(item: Item, to: Baseline): Promise<Ends>;
}

/** Metrics of a map and its mask. */
const OF_MASK = { mass: massAccuracy, rank: rankAccuracy, pointing: pointingGame } as const;
/** Metrics of a map alone. */
const OF_MAP = { top: topShare, sparseness, complexity } as const;

const entries = <T extends object>(record: T) => Object.entries(record) as [keyof T, T[keyof T]][];

/** What is random about a map of an image. */
export const seedsOf = (of: Pick<Measuring, "seed">, { index }: Item, variant = 0): number[] => [
  of.seed,
  index,
  variant,
];

/** Every item's pictures one after the other, one for each of its targets. */
export function requestOf(
  of: Pick<Measuring, "seed">,
  items: readonly Item[],
  pictures?: readonly Uint8Array[],
  variant = 0,
) {
  const each = items.flatMap((item, k) =>
    item.targets.map((target) => ({ item, target, pixels: pictures?.[k] ?? item.pixels.image })),
  );
  const size = each[0]?.pixels.length ?? 0;
  const frames = new Uint8Array(each.length * size);
  each.forEach(({ pixels }, k) => {
    frames.set(pixels, k * size);
  });
  return {
    frames,
    targets: each.map(({ target }) => target),
    seeds: each.map(({ item }) => seedsOf(of, item, variant)),
  };
}

/** Measures the maps of a method on a few images. An image of several classes is asked only whether each prefers its own. */
export async function measure(source: MapSource, items: readonly Item[], of: Measuring): Promise<Measured[][]> {
  const maps = await source.maps(requestOf(of, items));
  let at = 0;
  const measured: Measured[][] = [];
  for (const item of items) {
    const own = maps.slice(at, at + item.targets.length);
    at += item.targets.length;
    const masks = item.pixels.masks.map((mask) => mask && insideOf(mask, item.pixels.filled, of.width));
    if (own.length > 1) measured.push(ofSeveral(own, masks, of));
    else measured.push([await ofOne(item, own[0]!, masks[0], of)]);
  }
  await disturb(source, items, measured, of);
  return measured;
}

function ofSeveral(maps: Float32Array[], masks: (Uint8Array | undefined)[], of: Measuring): Measured[] {
  return maps.map((map, k) => {
    const mask = masks[k];
    const others = masks.flatMap((other, m) => (m === k || other === undefined ? [] : [other]));
    const known = of.metrics.has("own") && mask !== undefined && others.length === maps.length - 1;
    return { values: known ? { own: prefersOwn(map, mask, others) } : {}, curves: {}, map };
  });
}

async function ofOne(item: Item, map: Float32Array, mask: Uint8Array | undefined, of: Measuring): Promise<Measured> {
  const values: Values = {};
  if (mask) for (const [name, metric] of entries(OF_MASK)) if (of.metrics.has(name)) values[name] = metric(map, mask);
  for (const [name, metric] of entries(OF_MAP)) if (of.metrics.has(name)) values[name] = metric(map);
  const curves = await curvesOf(item, map, of);
  for (const [name, curve] of entries(curves)) values[name] = areaUnder(curve!);
  return { values, curves, map };
}

/** Insertion and deletion curves (Petsiuk, Das and Saenko 2018), to each baseline that is asked for. */
async function curvesOf(item: Item, map: Float32Array, of: Measuring): Promise<Measured["curves"]> {
  const { steps, metrics } = of;
  const wanted = BASELINES.filter((to) => metrics.has(`insertion-${to}`) || metrics.has(`deletion-${to}`));
  if (wanted.length === 0) return {};
  const curves: Measured["curves"] = {};
  const picture = item.pixels.image;
  const order = byRelevance(map);
  const target = item.targets[0]!;
  const scoresOf = async (frames: Uint8Array): Promise<number[]> =>
    (await of.probabilities(frames)).map((row) => row[target]!);
  for (const to of wanted) {
    const { empty, ...ends } = await of.ends(item, to);
    const [whole, none] = [ends.whole[target]!, ends.none[target]!];
    if (metrics.has(`insertion-${to}`))
      curves[`insertion-${to}`] = [none, ...(await scoresOf(blends(empty, picture, order, steps))), whole];
    if (metrics.has(`deletion-${to}`))
      curves[`deletion-${to}`] = [whole, ...(await scoresOf(blends(picture, empty, order, steps))), none];
  }
  return curves;
}

/** How far the maps move when the pictures are disturbed, of the images that are chosen for it. */
async function disturb(
  source: MapSource,
  items: readonly Item[],
  measured: Measured[][],
  of: Measuring,
): Promise<void> {
  const chosen = items.flatMap((item, k) => (item.isDisturbed && item.targets.length === 1 ? [k] : []));
  if (chosen.length === 0) return;
  for (const [variant, [name, change]] of entries(disturbances).entries()) {
    if (!of.metrics.has(name)) continue;
    const some = chosen.map((k) => items[k]!);
    const pictures = await Promise.all(
      some.map((item) => change(item.pixels.image, of.width, of.height, seedsOf(of, item))),
    );
    const moved = await source.maps(requestOf(of, some, pictures, variant + 1));
    chosen.forEach((k, n) => {
      const [before] = measured[k]! as [Measured];
      before.values[name] = relativeChange(before.map!, moved[n]!);
    });
  }
}
