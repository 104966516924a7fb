import type { Constant } from "../../onnx/tensor.js";
import { type Name, type OnnxGraph, refuseDamaged } from "../../tensorflow/onnx-graph.js";

type AttributeJson = {
  s?: string;
  i?: string | number;
  f?: number | string;
  b?: boolean;
  list?: { i?: (string | number)[]; s?: string[] };
  shape?: { dim?: { size?: string | number }[]; unknownRank?: boolean };
};
export interface NodeJson {
  name: string;
  op: string;
  input?: string[];
  attr?: Record<string, AttributeJson>;
}

/** An operation of a graph model with typed access to what it reads. */
export class Op {
  constructor(
    readonly graph: OnnxGraph,
    readonly json: NodeJson,
    /** Names of the translated inputs, control inputs left out. */
    readonly inputs: readonly Name[],
    /** The operation that makes an input. */
    readonly maker: (index: number) => Op | undefined,
  ) {}

  get kind(): string {
    return this.json.op;
  }
  #attribute(name: string): AttributeJson | undefined {
    const { attr } = this.json;
    return attr && Object.hasOwn(attr, name) ? attr[name] : undefined;
  }
  int(name: string, fallback: number): number {
    const value = this.#attribute(name)?.i;
    return value === undefined ? fallback : Number(value);
  }
  float(name: string, fallback: number): number {
    const value = this.#attribute(name)?.f;
    return value === undefined ? fallback : Number(value);
  }
  flag(name: string): boolean {
    return this.#attribute(name)?.b === true;
  }
  /** Text is kept as base64. */
  text(name: string, fallback: string): string {
    const value = this.#attribute(name)?.s;
    return value ? Buffer.from(value, "base64").toString() : fallback;
  }
  ints(name: string): number[] {
    return (this.#attribute(name)?.list?.i ?? []).map(Number);
  }
  texts(name: string): string[] {
    return (this.#attribute(name)?.list?.s ?? []).map((s) => Buffer.from(s, "base64").toString());
  }
  dims(name: string): number[] | undefined {
    const shape = this.#attribute(name)?.shape;
    return shape && !shape.unknownRank ? (shape.dim ?? []).map((d) => Number(d.size ?? -1)) : undefined;
  }
  /** A constant input that the operation cannot do without. */
  constant(index: number, what: string): Constant {
    const constant = this.graph.constantAt(this.inputs[index] ?? "");
    return (
      constant ?? this.graph.refuse(`its ${what} is computed while the model runs, and only constants can be explained`)
    );
  }
  get first(): Name {
    return this.inputs[0] ?? refuseDamaged(`operation "${this.json.name}" has no input`);
  }
  /** Whether pictures are `[N, H, W, C]`. */
  get channelsLast(): boolean {
    return this.text("data_format", "NHWC") === "NHWC";
  }
}

/** Writes what an operation computes and names its results. */
export type OpTranslation = (op: Op) => Name | Name[];
