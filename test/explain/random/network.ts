import fc from "fast-check";
import { buildModel, type InitializerInput, type NodeInput } from "../twin/onnx-writer.js";
import { sizeOf } from "../twin/tensor.js";
import { BLOCKS } from "./blocks.js";
import { ENDS, HEADS } from "./heads.js";
import { pick } from "./pick.js";
import { noise, type Tensor, Writer } from "./writer.js";

/** One building block: what it is, how far back the tensor it reads lies, and numbers that it shapes itself by. */
interface BlockChoice {
  kind: string;
  back: number;
  n: number[];
}

/** A network as a list of choices, so that shrinking leaves blocks out. */
export interface NetworkChoice {
  channels: number;
  height: number;
  width: number;
  channelsLast: boolean;
  coarse: boolean;
  fixedBatch: boolean;
  classes: number;
  seed: number;
  /** Blocks that lie before the first linear layer in most networks. */
  before: BlockChoice[];
  blocks: BlockChoice[];
  head: BlockChoice;
  end: string;
}

export interface RandomNetwork {
  model: Uint8Array;
  /** The same network, every float weight changed by a few rounding errors, in another way for each seed. */
  nudged(seed: number): Uint8Array;
  nodes: readonly NodeInput[];
  /** Of one frame. */
  shape: number[];
  frames: Float64Array[];
  low: number[];
  high: number[];
  channelAxis: number;
}

const block = (kinds: readonly string[]): fc.Arbitrary<BlockChoice> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    // Mostly the tensor made last.
    back: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(6) }),
    n: fc.array(fc.nat(59), { minLength: 11, maxLength: 11 }),
  });

const BEFORE = ["scale", "scalePlaces", "batchNorm", "pad", "negate", "activation", "scaleLast", "slice", "shuffle"];
const FIRST = [...BEFORE, "maxPool", "averagePool", "split", "concat", "sum"];

export const networkChoice: fc.Arbitrary<NetworkChoice> = fc.record({
  channels: fc.constantFrom(3, 1, 2, 4),
  height: fc.integer({ min: 3, max: 11 }),
  width: fc.integer({ min: 3, max: 11 }),
  channelsLast: fc.boolean(),
  coarse: fc.boolean(),
  fixedBatch: fc.boolean(),
  classes: fc.constantFrom(3, 2, 4, 1),
  seed: fc.nat(1e9),
  before: fc.oneof(fc.constant<BlockChoice[]>([]), fc.array(block(FIRST), { maxLength: 3 })),
  blocks: fc.array(block(Object.keys(BLOCKS)), { maxLength: 9 }),
  head: block(Object.keys(HEADS)),
  end: fc.constantFrom(...Object.keys(ENDS)),
});

/** Pictures: noise; noise cut to [0, 1] with many zeros; nothing but zeros. Multiples of ¼ where the network is coarse. */
function picture(size: number, kind: number, random: () => number, coarse: boolean): Float64Array {
  const value = (): number => {
    const v = kind === 2 ? 0 : 2 * random();
    const cut = kind === 0 ? v : Math.min(1, Math.max(0, v));
    return coarse ? Math.round(cut * 4) / 4 : Math.fround(cut);
  };
  return Float64Array.from({ length: size }, value);
}

const nudge = (initializers: Record<string, InitializerInput>, random: () => number): typeof initializers =>
  Object.fromEntries(
    Object.entries(initializers).map(([name, c]) => [
      name,
      c.type === "int64" || c.dims.length === 0
        ? c
        : { ...c, data: Array.from(c.data, (v) => v * (1 + 1e-6 * random())), type: "float64" as const },
    ]),
  );

export function buildNetwork(choice: NetworkChoice): RandomNetwork {
  const { channels, height, width, channelsLast, seed, classes, coarse } = choice;
  const w = new Writer(seed, coarse, choice.fixedBatch);
  let x: Tensor = { name: "image", dims: [channels, height, width] };
  if (channelsLast) x = { ...x, name: w.node("Transpose", ["image"], { perm: [0, 3, 1, 2] }) };
  w.made.push(x);
  for (const { kind, back, n } of [...choice.before, ...choice.blocks]) {
    const from = w.made[Math.max(0, w.made.length - 1 - back)]!;
    const made = BLOCKS[kind]!(w, from, n);
    if (made !== from) w.made.push(made);
  }
  const scores = HEADS[choice.head.kind]!(w, w.made.at(-1)!, classes, choice.head.n);
  const output = ENDS[choice.end]!(w, scores, classes);
  const shape = [1, ...(channelsLast ? [height, width, channels] : [channels, height, width])];
  const random = noise(seed + 1);
  const file = (initializers: typeof w.initializers): Uint8Array =>
    buildModel({
      inputs: [{ name: "image", dims: [choice.fixedBatch ? 1 : "N", ...shape.slice(1)] }],
      nodes: w.nodes,
      initializers,
      outputs: [output],
    });
  const bound = (sign: number): number[] => Array.from({ length: channels }, (_, c) => sign * pick([2, 1.5, 2.25], c));
  return {
    model: file(w.initializers),
    nudged: (by) => file(nudge(w.initializers, noise(by))),
    nodes: w.nodes,
    shape,
    frames: [0, 1, 2].map((kind) => picture(sizeOf(shape), kind, random, coarse)),
    low: bound(-1),
    high: bound(1),
    channelAxis: channelsLast ? 3 : 1,
  };
}
