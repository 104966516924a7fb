import { ELEMENT_CODE } from "../program/emitter.js";
import type { Operation } from "../program/program.js";
import { toFloat16 } from "./float16.js";
import { Additions } from "./operation.js";
import { type Constant, FLOAT16, type Float16Constant, type Graph, type MixedGraph } from "./serialise.js";

/** Fewer channels than this on either side fill no unit that multiplies matrices of halves. */
const MIN_CHANNELS = 8;
/** Where all is zero, as zero it stays. */
const TINY = 1e-30;
const HALF = { to: { int: FLOAT16 } };
const FLOAT = { to: { int: ELEMENT_CODE.float32 } };
const FIRST = new Set(["Conv", "ConvTranspose", "MatMul", "Gemm"]);

/**
 * A program whose convolutions and products of matrices read and give float16, as graphics cards multiply it several times
 * faster than float32; all else, the sums, means, norms and quotients, stays in float32.
 *
 * Relevances are as small as they like and float16 ends at 6e-8, so what enters a product is first divided by its largest
 * magnitude (of its frame, or of each row or column that is summed), and the result multiplied by it: a power of ten of the
 * scale costs nothing of the precision. A product with a bias is the network's own, and is computed as it is. Left in float32
 * are products of few channels, which read or give the picture or go channel by channel, and those that only add up.
 */
export function withHalves(program: Graph): MixedGraph {
  const pass = new Pass(program.constants);
  for (const operation of program.operations) pass.visit(operation);
  return pass.made.in(program, pass.operations);
}

/** A value in float16, and what it was divided by, in float32. */
interface Half {
  value: string;
  by?: string;
}

class Pass {
  readonly operations: Operation[] = [];
  readonly made = new Additions<Float16Constant>();
  readonly #constants: ReadonlyMap<string, Constant>;
  #halves = new Map<string, Half>();

  constructor(constants: readonly Constant[]) {
    this.#constants = new Map(constants.map((c) => [c.name, c]));
  }

  visit(operation: Operation): void {
    if (!FIRST.has(operation.op) || !this.#pays(operation)) {
      this.operations.push(operation);
      return;
    }
    const { op, inputs, outputs, attributes, size } = operation;
    const [x, w, bias] = inputs as [string, string, string | undefined];
    const y = outputs[0]!;
    // What is summed over: everything but the frames, the last axis of rows, the last but one of columns.
    const axes = op === "MatMul" ? [-1] : Array.from(this.#dims(w)!.slice(1), (_, k) => k + 1);
    const plain = bias !== undefined;
    const [a, b] = [plain ? this.#half(x) : this.#scaled(x, axes), plain ? this.#half(w) : this.#scaled(w, [-2])];
    const more = plain ? [this.#half(bias).value] : [];
    const scales = [a.by, b.by].filter((by) => by !== undefined);
    this.#push(op, [a.value, b.value, ...more], `${y}_half`, attributes, size);
    this.#push("Cast", [`${y}_half`], scales.length === 0 ? y : `${y}_float`, FLOAT);
    scales.forEach((by, k) => {
      const [from, to] = [k === 0 ? `${y}_float` : `${y}_once`, k + 1 === scales.length ? y : `${y}_once`];
      this.#push("Mul", [from, by], to);
    });
  }

  #dims = (name: string): readonly number[] | undefined => this.#constants.get(name)?.dims;

  #pays({ op, inputs, attributes }: Operation): boolean {
    const weight = this.#constants.get(inputs[1]!);
    if (weight === undefined) return op === "MatMul";
    if (weight.kind !== "float32" || this.#constants.has(inputs[0]!)) return false;
    if (op === "Gemm" && "transA" in attributes) return false;
    return Math.min(...weight.dims.slice(0, 2)) >= MIN_CHANNELS && !addsUp(weight);
  }

  /** A value, or a constant as it is kept, in float16. */
  #half(name: string): Half {
    const known = this.#halves.get(name);
    if (known) return known;
    const value = `${name}_as_half`;
    const constant = this.#constants.get(name);
    if (constant) this.made.add({ name: value, kind: "float16", dims: constant.dims, make: () => halves(constant) });
    else this.#push("Cast", [name], value, HALF);
    this.#halves.set(name, { value });
    return { value };
  }

  /** A value divided by its largest magnitude along `axes`, in float16; a constant as it is. */
  #scaled(name: string, axes: readonly number[]): Half {
    if (this.#constants.has(name)) return this.#half(name);
    const key = `${name}|${axes.join()}`;
    const known = this.#halves.get(key);
    if (known) return known;
    const at = (what: string): string => `${name}_${what}_along_${axes.join("_").replaceAll("-", "m")}`;
    this.#push("Abs", [name], at("magnitude"));
    const along = this.made.ints(`axes_${axes.join("_").replaceAll("-", "m")}`, axes);
    this.#push("ReduceMax", [at("magnitude"), along], at("largest"), { keepdims: { int: 1 } });
    this.#push("Max", [at("largest"), this.made.floats("tiny", [], [TINY])], at("scale"));
    this.#push("Div", [name, at("scale")], at("unit"));
    this.#push("Cast", [at("unit")], at("half"), HALF);
    const made = { value: at("half"), by: at("scale") };
    this.#halves.set(key, made);
    return made;
  }

  #push(
    op: string,
    inputs: string[],
    output: string,
    attributes: Operation["attributes"] = {},
    size?: Operation["size"],
  ) {
    this.operations.push({ op, inputs, outputs: [output], attributes, ...(size && { size }) });
  }
}

const dataOf = (constant: Constant) => ("make" in constant ? constant.make() : constant.data);

function halves(constant: Constant): Uint16Array {
  const data = dataOf(constant);
  return toFloat16(data instanceof Float32Array ? data : Float32Array.from(data));
}

/** Whether a matrix only adds up what it is given: it holds one number, and zeros. */
function addsUp(constant: Constant): boolean {
  let one = 0;
  for (const value of dataOf(constant)) {
    if (value === 0 || value === one) continue;
    if (one !== 0) return false;
    one = Number(value);
  }
  return true;
}
