import { seeded } from "../../support/random.js";
import type { AttributeInput, InitializerInput, NodeInput } from "../twin/onnx-writer.js";
import { sizeOf } from "../twin/tensor.js";

/** A tensor of a network under construction; dims are channels, height, width. */
export interface Tensor {
  name: string;
  dims: [number, number, number];
}

/** Evenly spread in [−1, 1), the same on every machine. */
export function noise(seed: number): () => number {
  const random = seeded(seed);
  return () => 2 * random() - 1;
}

/** Writes nodes and weights; every block gets a tensor `[C, H, W]` and numbers, and gives a tensor. */
export class Writer {
  nodes: NodeInput[] = [];
  initializers: Record<string, InitializerInput> = {};
  made: Tensor[] = [];
  kernels: { name: string; dims: number[] }[] = [];
  random: () => number;

  /** `coarse`: every number is a multiple of ¼, so that windows hold several equal maxima. */
  constructor(
    seed: number,
    readonly coarse: boolean,
    readonly fixedBatch: boolean,
  ) {
    this.random = noise(seed);
  }

  node(op: string, inputs: string[], attributes: Record<string, AttributeInput> = {}, outputs = 1): string {
    const names = Array.from({ length: outputs }, (_, k) => `t${this.nodes.length}${outputs > 1 ? `_${k}` : ""}`);
    this.nodes.push({ op, inputs, outputs: names, attributes });
    return names[0]!;
  }

  constant(dims: number[], data: ArrayLike<number>, type: InitializerInput["type"] = "float32"): string {
    const name = `c${Object.keys(this.initializers).length}`;
    this.initializers[name] = { dims, data: type === "float32" ? Float32Array.from(data) : Array.from(data), type };
    return name;
  }
  scalar = (value: number): string => this.constant([], [value]);
  ints = (...values: number[]): string => this.constant([values.length], values, "int64");

  value(): number {
    const v = this.random();
    return this.coarse ? Math.round(v * 4) / 4 : v;
  }
  /** Factors of a scale: a zero would leave nothing to explain. */
  factors(dims: number[]): string {
    return this.constant(
      dims,
      Array.from({ length: sizeOf(dims) }, () => this.value() || 0.25),
    );
  }
  weights(dims: number[], fanIn: number, offset = 0): string {
    const scale = this.coarse ? 0.5 : 1.6 / Math.sqrt(fanIn);
    const around = this.coarse ? Math.round(offset * 4) / 4 : offset;
    return this.constant(
      dims,
      Array.from({ length: sizeOf(dims) }, () => around + scale * this.value()),
    );
  }
  /** Weights of these dims, sometimes ones that another layer has already. */
  kernel(dims: number[], again: boolean): string {
    const known = this.kernels.find((k) => again && k.dims.join() === dims.join());
    if (known) return known.name;
    const name = this.weights(dims, sizeOf(dims.slice(1)));
    this.kernels.push({ name, dims });
    return name;
  }

  conv(x: Tensor, out: number, kernel: number[], more: Record<string, AttributeInput> = {}, bias = true): Tensor {
    const groups = (more.group as number) ?? 1;
    const w = this.kernel([out, x.dims[0] / groups, ...kernel], bias);
    const name = this.node("Conv", bias ? [x.name, w, this.weights([out], 4)] : [x.name, w], more);
    return { name, dims: [out, ...windowed(x, kernel, more)] };
  }
  named = (name: string, dims: Tensor["dims"]): Tensor => ({ name, dims });
  one = (op: string, x: Tensor, attributes: Record<string, AttributeInput> = {}, ...constants: string[]): Tensor =>
    this.named(this.node(op, [x.name, ...constants], attributes), x.dims);
}

/** Spatial lengths after a window with explicit pads, SAME or VALID. */
export function windowed({ dims }: Tensor, kernel: number[], a: Record<string, AttributeInput>): [number, number] {
  const strides = (a.strides as number[]) ?? [1, 1];
  const pads = (a.pads as number[]) ?? [0, 0, 0, 0];
  const dilations = (a.dilations as number[]) ?? [1, 1];
  return [0, 1].map((k) => {
    const size = dims[k + 1]!;
    if (typeof a.auto_pad === "string" && a.auto_pad.startsWith("SAME")) return Math.ceil(size / strides[k]!);
    const steps = (size + pads[k]! + pads[k + 2]! - dilations[k]! * (kernel[k]! - 1) - 1) / strides[k]!;
    const length = (a.ceil_mode ? Math.ceil(steps) : Math.floor(steps)) + 1;
    return a.ceil_mode && (length - 1) * strides[k]! >= size + pads[k]! ? length - 1 : length;
  }) as [number, number];
}
