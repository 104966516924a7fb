import type { Weights, Window } from "../network/network.js";
import type { Attribute, ElementKind, Operation, Program, ProgramConstant, ProgramPort, Size } from "./program.js";

/** A value of a program under construction. */
export type Value = string;

export type WindowAttributes = Window;

export const windowAttributes = (w: WindowAttributes): Record<string, Attribute> => ({
  kernel_shape: { ints: w.kernel },
  strides: { ints: w.strides },
  pads: { ints: w.pads },
  dilations: { ints: w.dilations },
});

/** Builds a Program operation by operation. Rules and layers emit through it; nothing is executed. */
export class Emitter {
  #operations: Operation[] = [];
  #constants: ProgramConstant[] = [];
  #inputs: ProgramPort[] = [];
  #outputs: ProgramPort[] = [];
  #counter = 0;
  #numbers = new Map<string, Value>();
  #emitted = new Map<string, Value[]>();
  /** Names of constants by their data and dims: weights used twice are kept once. */
  #tensors = new Map<Float32Array, Map<string, Value>>();
  #filled = new Map<string, Float32Array>();

  input(name: string, kind: ElementKind, dims: readonly number[]): Value {
    this.#inputs.push({ name, kind, dims });
    return name;
  }

  output(value: Value, name: string, kind: ElementKind, dims: readonly number[]): void {
    this.#operations.push({ op: "Identity", inputs: [value], outputs: [name], attributes: {} });
    this.#outputs.push({ name, kind, dims });
  }

  /** Emits an operation, or gives the values of an equal one emitted before. */
  many(
    op: string,
    inputs: readonly Value[],
    count: number,
    attributes: Record<string, Attribute> = {},
    size?: Size,
  ): Value[] {
    const key = `${op}|${inputs.join(",")}|${count}|${JSON.stringify(attributes)}`;
    const known = this.#emitted.get(key);
    if (known) return known;
    const outputs = Array.from({ length: count }, () => `${op.toLowerCase()}_${this.#counter++}`);
    this.#operations.push({ op, inputs, outputs, attributes, size });
    this.#emitted.set(key, outputs);
    return outputs;
  }

  op(op: string, inputs: readonly Value[], attributes: Record<string, Attribute> = {}): Value {
    return this.many(op, inputs, 1, attributes)[0]!;
  }

  tensor(data: Float32Array, dims: readonly number[]): Value {
    if (data.length === 1) return this.#cached("float32", dims, [data[0]!]);
    const key = dims.join(",");
    const known = this.#tensors.get(data)?.get(key);
    if (known !== undefined) return known;
    const name = this.#constant("float32", dims, data);
    const same = this.#tensors.get(data);
    if (same) same.set(key, name);
    else this.#tensors.set(data, new Map([[key, name]]));
    return name;
  }

  weights(w: Weights): Value {
    return this.tensor(w.data, w.dims);
  }

  /** A constant of one number throughout, the same for equal dims. */
  filled(value: number, dims: readonly number[]): Value {
    const key = `${value}|${dims.join(",")}`;
    const data = this.#filled.get(key) ?? new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(value);
    this.#filled.set(key, data);
    return this.tensor(data, dims);
  }

  number(value: number): Value {
    return this.#cached("float32", [], [value]);
  }

  ints(values: readonly number[]): Value {
    return this.#cached("int64", [values.length], values);
  }

  int(value: number): Value {
    return this.#cached("int64", [], [value]);
  }

  #cached(kind: "float32" | "int64", dims: readonly number[], values: readonly number[]): Value {
    const key = `${kind}|${dims.join(",")}|${values.join(",")}`;
    let known = this.#numbers.get(key);
    if (known === undefined) {
      known = this.#constant(kind, dims, kind === "float32" ? Float32Array.from(values) : values);
      this.#numbers.set(key, known);
    }
    return known;
  }

  #constant(kind: ElementKind, dims: readonly number[], data: ProgramConstant["data"]): Value {
    const name = `c_${this.#counter++}`;
    this.#constants.push({ name, kind, dims, data });
    return name;
  }

  add = (a: Value, b: Value): Value => this.op("Add", [a, b]);
  sub = (a: Value, b: Value): Value => this.op("Sub", [a, b]);
  mul = (a: Value, b: Value): Value => this.op("Mul", [a, b]);
  div = (a: Value, b: Value): Value => this.op("Div", [a, b]);
  abs = (a: Value): Value => this.op("Abs", [a]);
  relu = (a: Value): Value => this.op("Relu", [a]);
  max = (a: Value, b: Value): Value => this.op("Max", [a, b]);
  cast = (a: Value, kind: ElementKind): Value => this.op("Cast", [a], { to: { int: ELEMENT_CODE[kind] } });
  where = (condition: Value, a: Value, b: Value): Value => this.op("Where", [condition, a, b]);
  equal = (a: Value, b: Value): Value => this.op("Equal", [a, b]);
  less = (a: Value, b: Value): Value => this.op("Less", [a, b]);
  /** −1 where v < 0, else 1. */
  sign = (v: Value): Value => this.where(this.less(v, this.number(0)), this.number(-1), this.number(1));
  reshape = (a: Value, dims: readonly number[]): Value => this.op("Reshape", [a, this.ints(dims)]);
  transpose = (a: Value, permutation: readonly number[]): Value =>
    this.op("Transpose", [a], { perm: { ints: permutation } });
  concat = (parts: readonly Value[], axis: number): Value =>
    parts.length === 1 ? parts[0]! : this.op("Concat", parts, { axis: { int: axis } });
  matmul = (a: Value, b: Value): Value => this.op("MatMul", [a, b]);
  slice = (a: Value, axes: readonly number[], starts: readonly number[], ends: readonly number[]): Value =>
    this.op("Slice", [a, this.ints(starts), this.ints(ends), this.ints(axes)]);
  /** Constant padding, `before` and `after` for every axis. */
  pad(a: Value, before: readonly number[], after: readonly number[], value = 0): Value {
    if ([...before, ...after].every((p) => p === 0)) return a;
    return this.op("Pad", [a, this.ints([...before, ...after]), this.number(value)], { mode: { text: "constant" } });
  }
  reduce(op: "ReduceSum" | "ReduceMean" | "ReduceMax", a: Value, axes: readonly number[], keepDims = true): Value {
    return this.op(op, [a, this.ints(axes)], { keepdims: { int: keepDims ? 1 : 0 } });
  }
  /** @param size height and width of `a`, where an engine may choose by them */
  conv(a: Value, weight: Value, bias: Value | undefined, window: WindowAttributes, groups = 1, size?: Size): Value {
    const attributes = { ...windowAttributes(window), group: { int: groups } };
    return this.many("Conv", bias === undefined ? [a, weight] : [a, weight, bias], 1, attributes, size)[0]!;
  }

  /** `[N, size²·C, H, W]`, a block of channels for each place of a square, row by row, to `[N, C, size·H, size·W]`. */
  interleave(a: Value, size: number): Value {
    return this.op("DepthToSpace", [a], { blocksize: { int: size }, mode: { text: "DCR" } });
  }

  /** Each element of `[N, C, H, W]` repeated along height and width. */
  repeat(a: Value, rows: number, columns: number): Value {
    return this.op("Resize", [a, "", this.tensor(Float32Array.of(1, 1, rows, columns), [4])], {
      mode: { text: "nearest" },
      coordinate_transformation_mode: { text: "asymmetric" },
      nearest_mode: { text: "floor" },
    });
  }

  /** @param smooth what `Program.smooth` says */
  finish(smooth = false): Program {
    const live = new Set(this.#outputs.map((o) => o.name));
    const operations: Operation[] = [];
    for (const operation of this.#operations.toReversed())
      if (operation.outputs.some((o) => live.has(o))) {
        for (const i of operation.inputs) live.add(i);
        operations.push(operation);
      }
    return {
      inputs: this.#inputs.filter((i) => live.has(i.name)),
      outputs: this.#outputs,
      constants: this.#constants.filter((c) => live.has(c.name)),
      operations: operations.reverse(),
      smooth,
    };
  }
}

export const ELEMENT_CODE: Record<ElementKind, number> = { float32: 1, uint8: 2, int64: 7, bool: 9, float64: 11 };
