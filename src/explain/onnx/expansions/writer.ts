import { type AttributeProto, AttributeType, type NodeProto } from "../../proto/onnx.js";
import type { Importer, Node } from "../importer.js";
import type { Constant } from "../tensor.js";
import { markedDims } from "../view.js";

type Attributes = Record<string, number | string | readonly number[]>;

const FLOATS = new Set(["alpha", "beta", "epsilon", "max", "min"]);

const attributeOf = ([name, value]: [string, number | string | readonly number[]]): AttributeProto =>
  typeof value === "string"
    ? { name, type: AttributeType.string, s: new TextEncoder().encode(value) }
    : typeof value !== "number"
      ? { name, type: AttributeType.ints, ints: [...value] }
      : FLOATS.has(name)
        ? { name, type: AttributeType.float, f: value }
        : { name, type: AttributeType.int, i: value };

/** Writes the plain nodes that a fused one stands for; they bear its name. */
export class Writer {
  readonly nodes: NodeProto[] = [];

  constructor(
    readonly importer: Importer,
    readonly node: Node,
  ) {}

  /** The name of an operand that is given. */
  input(index: number): string | undefined {
    return this.node.inputs[index] || undefined;
  }

  /** An operand that it cannot do without. */
  needed(index: number): string {
    return this.input(index) ?? this.importer.refuse(this.node, `its input ${index} is missing`);
  }

  /** Dims of an operand, the batch as its marker. */
  dims(index: number): number[] {
    const constant = this.importer.constant(this.node, index);
    return constant ? [...constant.dims] : markedDims(this.importer.view(this.node, index));
  }

  /** Refuses further operands or outputs that nobody has written a meaning for. */
  refuseBeyond(inputs: number, outputs: number): void {
    const { node, importer } = this;
    const extra = node.inputs.findIndex((name, k) => k >= inputs && name !== "");
    if (extra >= 0) importer.refuse(node, `its input ${extra} is used, and it is known only without`);
    const used = node.outputs.findIndex((name, k) => k >= outputs && name !== "");
    if (used >= 0) importer.refuse(node, `its output ${used} is used, and it is known only without`);
  }

  #name(): string {
    return `${this.node.outputs[0]}//${this.nodes.length}`;
  }

  /** @param output the name of the result, where it is one of the fused node's own */
  op(opType: string, input: readonly string[], attributes: Attributes = {}, output = this.#name()): string {
    const { name, shown } = this.node;
    const attribute = Object.entries(attributes).map(attributeOf);
    this.nodes.push({ opType, name, shown, input: [...input], output: [output], attribute });
    return output;
  }

  /** Parts of a tensor along its last axis. */
  split(x: string, sizes: readonly number[]): string[] {
    const { name, shown } = this.node;
    const base = this.#name();
    const output = sizes.map((_, k) => `${base}.${k}`);
    const axis = attributeOf(["axis", -1]);
    // Before opset 13 sizes were an attribute.
    const old = this.importer.opset < 13;
    const attribute = old ? [axis, attributeOf(["split", sizes])] : [axis];
    this.nodes.push({ opType: "Split", name, shown, input: old ? [x] : [x, this.ints(sizes)], output, attribute });
    return output;
  }

  #constant(constant: Constant): string {
    const key = `${this.node.outputs[0]}//${constant.integer ? "i" : "f"}${constant.dims}:${constant.data.join()}`;
    this.importer.constants.set(key, constant);
    return key;
  }
  ints(values: readonly number[]): string {
    return this.#constant({ dims: [values.length], data: Float64Array.from(values), integer: true });
  }
  number(value: number): string {
    return this.#constant({ dims: [], data: Float32Array.of(value), integer: false });
  }
  numbers(dims: number[], data: Float32Array): string {
    const name = `${this.#name()}.numbers`;
    this.importer.constants.set(name, { dims, data, integer: false });
    return name;
  }
}

/** What a fused node stands for. */
export type Expansion = (writer: Writer) => void;
