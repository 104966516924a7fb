import { windowAttributes } from "../program/emitter.js";
import type { Operation, Program, ProgramConstant, Size } from "../program/program.js";
import { Additions } from "./operation.js";
import type { Graph } from "./serialise.js";

/** Channels come in blocks of whole vectors, so that the transforms stay in onnxruntime's blocked layout. */
const BLOCK = 16;
/** Products saved for each pair of channels in a tile of 2 × 2 outputs: 16 instead of 36. */
const SAVED = 20;
/**
 * What the rest costs, in the time of one product: the transforms of a channel in a tile, and all the operations. Measured on
 * an AMD EPYC with AVX-512; elsewhere the choice may be off by a little, the result is the same.
 */
const TRANSFORMS = 340;
const OPERATIONS = 2.5e6;
/** Nothing is done for less. */
const MIN_GAIN = 1.25;

/**
 * One of the four products of F(2, 3), Winograd's minimal filtering along one axis: two neighbouring outputs of a kernel of
 * three from four products instead of six. Each is one combination of the kernel's taps times one of two among the four
 * inputs, which begin one before the outputs. Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
 * 2016, with the last product's sign turned.
 */
interface Product {
  kernel: readonly [number, number, number];
  inputs: readonly [number, number];
  factors: readonly [number, number];
}
const PRODUCTS: readonly Product[] = [
  { kernel: [1, 0, 0], inputs: [0, 2], factors: [1, -1] },
  { kernel: [0.5, 0.5, 0.5], inputs: [1, 2], factors: [1, 1] },
  { kernel: [0.5, -0.5, 0.5], inputs: [1, 2], factors: [-1, 1] },
  { kernel: [0, 0, -1], inputs: [1, 3], factors: [1, -1] },
];

/**
 * A program with its 3 × 3 convolutions of stride 1 by minimal filtering: 4 × 4 inputs give 2 × 2 outputs with 16 products a
 * pair of channels instead of 36. What lies between the transforms are 16 convolutions of 1 × 1 on a quarter of the pixels;
 * the transforms are convolutions of single channels, and sums. Rounding is relative to the largest weights and inputs of an
 * output's window instead of to its products, so programs that are not `smooth` stay as they are; windows of zeros, and of equal
 * inputs, stay exact.
 */
export function withWinograd(program: Program): Graph {
  if (!program.smooth) return program;
  const constants = new Map(program.constants.map((c) => [c.name, c]));
  const pass = new Pass();
  for (const operation of program.operations) {
    const weight = constants.get(operation.inputs[1] ?? "");
    if (weight && operation.size && gains(operation, weight, operation.size))
      pass.replace(operation, weight, operation.size);
    else pass.operations.push(operation);
  }
  return pass.made.in(program, pass.operations);
}

function gains({ op, attributes }: Operation, weight: ProgramConstant, [height, width]: Size): boolean {
  const [out = 0, channels = 0] = weight.dims;
  const tiles = Math.ceil(height / 2) * Math.ceil(width / 2);
  const cost = TRANSFORMS * (out + channels) * tiles + OPERATIONS;
  const is = (name: string, wanted: string): boolean => {
    const value = attributes[name];
    return value !== undefined && "ints" in value && value.ints.join() === wanted;
  };
  return (
    op === "Conv" &&
    is("kernel_shape", "3,3") &&
    is("strides", "1,1") &&
    is("dilations", "1,1") &&
    is("pads", "1,1,1,1") &&
    (attributes.group === undefined || ("int" in attributes.group && attributes.group.int === 1)) &&
    out % BLOCK === 0 &&
    channels % BLOCK === 0 &&
    SAVED * out * channels * tiles >= MIN_GAIN * cost
  );
}

type Emit = (op: string, inputs: string[], attributes?: Operation["attributes"], output?: string) => string;

class Pass {
  readonly operations: Operation[] = [];
  readonly made = new Additions();

  replace({ inputs, outputs }: Operation, weight: ProgramConstant, size: Size): void {
    const [x, , bias] = inputs as [string, string, string | undefined];
    const [y] = outputs as [string];
    const channels = weight.dims[1]!;
    let count = 0;
    const emit: Emit = (op, from, attributes = {}, to = `${y}_winograd_${count++}`) => {
      this.operations.push({ op, inputs: from, outputs: [to], attributes });
      return to;
    };
    const rows = PRODUCTS.map((down) => this.#combine(emit, x, down, "down", channels, size[0]));
    const products = rows.map((row, u) =>
      PRODUCTS.map((across, v) => {
        const picture = this.#combine(emit, row, across, "across", channels, size[1]);
        const kernel = this.#kernel(weight, u, v);
        // This product counts once in each of the four outputs, and so takes the bias to all of them.
        const more = u === 1 && v === 1 && bias !== undefined ? [bias] : [];
        return emit("Conv", [picture, kernel, ...more], POINTWISE);
      }),
    );
    const halves = PRODUCTS.map((_, v) =>
      twoOf(
        emit,
        products.map((row) => row[v]!),
      ),
    );
    const phases = [0, 1].flatMap((i) =>
      twoOf(
        emit,
        halves.map((half) => half[i]!),
      ),
    );
    const woven = { blocksize: { int: 2 }, mode: { text: "DCR" } };
    const joined = emit("Concat", phases, { axis: { int: 1 } });
    if (size.every((s) => s % 2 === 0)) emit("DepthToSpace", [joined], woven, y);
    else {
      const cut = [...[[0, 0], size, [2, 3]].map((v) => this.made.ints(`winograd_ints_${v.join("_")}`, v))];
      emit("Slice", [emit("DepthToSpace", [joined], woven), ...cut], {}, y);
    }
  }

  /** The two inputs of a product added up, for each tile along one axis. */
  #combine(emit: Emit, x: string, product: Product, axis: "down" | "across", channels: number, length: number): string {
    const { inputs, factors } = product;
    const along = <T>(value: T, other: T): [T, T] => (axis === "down" ? [value, other] : [other, value]);
    const taps = this.made.add({
      name: `winograd_${channels}_${axis}_${factors.join("_")}`,
      kind: "float32",
      dims: [channels, 1, ...along(2, 1)],
      make: () => Float32Array.from({ length: 2 * channels }, (_, k) => factors[k % 2]!),
    });
    const tiles = Math.ceil(length / 2);
    // Tile t reads from 2t − 1 on: what lies before the picture or behind it counts as zero.
    const before = Math.max(0, 1 - inputs[0]);
    const behind = Math.max(0, 2 * tiles - 2 + inputs[1] - length);
    const both = along(2, 1);
    const window = windowAttributes({
      kernel: both,
      strides: both,
      pads: [...along(before, 0), ...along(behind, 0)],
      dilations: along(inputs[1] - inputs[0], 1),
    });
    return emit("Conv", [x, taps], { ...window, group: { int: channels } });
  }

  /** `[out, in, 1, 1]`: the taps of each pair of channels combined as two products want them. */
  #kernel({ name, dims, data }: ProgramConstant, u: number, v: number): string {
    const [out, channels] = dims as [number, number];
    const factors = PRODUCTS[u]!.kernel.flatMap((down) => PRODUCTS[v]!.kernel.map((across) => down * across));
    const make = (): Float32Array => {
      const weights = data as Float32Array;
      const taps = factors.flatMap((factor, tap) => (factor === 0 ? [] : [tap]));
      const combined = new Float32Array(out * channels);
      for (let pair = 0; pair < combined.length; pair++) {
        let sum = 0;
        for (let k = 0; k < taps.length; k++) sum += factors[taps[k]!]! * weights[9 * pair + taps[k]!]!;
        combined[pair] = sum;
      }
      return combined;
    };
    return this.made.add({ name: `${name}_winograd_${u}${v}`, kind: "float32", dims: [out, channels, 1, 1], make });
  }
}

/** Two outputs of four products: `m₀ + m₁ + m₂` and `m₁ − m₂ + m₃`. */
const twoOf = (emit: Emit, [m0, m1, m2, m3]: readonly string[]): [string, string] => [
  emit("Add", [m0!, emit("Add", [m1!, m2!])]),
  emit("Add", [m3!, emit("Sub", [m1!, m2!])]),
];

/** A 1 × 1 convolution of all channels. */
export const POINTWISE: Operation["attributes"] = {
  ...windowAttributes({ kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] }),
  group: { int: 1 },
};
