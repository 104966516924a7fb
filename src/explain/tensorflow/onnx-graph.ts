import { ModelError } from "../../errors.js";
import { transposeConstant } from "../onnx/arrays.js";
import type { GraphMessage } from "../onnx/import.js";
import type { GraphOutput } from "../onnx/outputs.js";
import type { Constant } from "../onnx/tensor.js";
import { type AttributeProto, AttributeType, ElementType, type TensorProto } from "../proto/onnx.js";

/** Name of a tensor of the graph under construction. */
export type Name = string;
type AttributeInput = number | string | readonly number[] | { float: number };

export const OPSET = 20;

/** Where a node comes from, for messages: the layer's or operation's name and kind in the TensorFlow.js file. */
export interface Origin {
  name: string;
  kind: string;
}

/**
 * The outputs of a model, each translated by itself: what stands in the way of one leaves the others alone.
 * @param made what each is called in its file, another name that it has, and what translates it
 */
export const outputsOf = (made: readonly { shown: string; alias?: string; make: () => Name }[]): GraphOutput[] =>
  made.map(({ shown, alias, make }, k) => {
    try {
      return { name: make(), shown, alias };
    } catch (refusal) {
      return { name: `refused#${k}`, shown, alias, refusal };
    }
  });

/** What a node is called in messages, the nodes that it reads, the last of them to be made first, and what makes it. */
export interface Making<Node, Made> {
  shown: string;
  reads: readonly Node[];
  make: () => Made;
}

/** Makes a node once all that it reads is made: networks are deeper than calls should be. */
export function makeInOrder<Node, Made>(
  wanted: Node,
  made: Map<string, Made>,
  keyOf: (node: Node) => string,
  makingOf: (node: Node) => Making<Node, Made>,
): void {
  const open = [wanted];
  const waiting = new Set<string>();
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    const key = keyOf(at);
    if (made.has(key)) {
      open.pop();
      continue;
    }
    const { shown, reads, make } = makingOf(at);
    const missing = reads.filter((node) => !made.has(keyOf(node)));
    if (missing.length === 0) made.set(key, make());
    else if (waiting.has(key))
      throw new ModelError("model-unsupported", `${shown} is part of a loop, which cannot be explained`);
    waiting.add(key);
    open.push(...missing);
  }
}

/** Refuses a file that contradicts itself. */
export const refuseDamaged = (how: string): never => {
  throw new ModelError("model-corrupt", `${how}; convert the model again`);
};

/** An ONNX graph written node by node; every node is named after what it stands for. */
export class OnnxGraph {
  #message: GraphMessage = { opset: { version: OPSET }, node: [], initializer: [], input: [], output: [] };
  #constants = new Map<Name, Constant>();
  /** Constants that were transposed already: many nodes can read one. */
  #turned = new Map<string, Name>();
  #counter = 0;
  /** What nodes are written for now. */
  origin: Origin = { name: "", kind: "" };

  /** @throws ModelError naming the layer or operation */
  refuse(reason: string): never {
    const { name, kind } = this.origin;
    throw new ModelError("model-unsupported", `node "${name}" (operator ${kind}) cannot be explained: ${reason}`);
  }

  /** dims without the batch; 0 where they are open. */
  input(name: Name, dims: readonly number[]): Name {
    const dim = [{}, ...dims.map((d) => (d > 0 ? { dimValue: d } : {}))];
    this.#message.input.push({ name, type: { tensorType: { elemType: ElementType.float, shape: { dim } } } });
    return name;
  }

  node(op: string, inputs: readonly Name[], attributes: Record<string, AttributeInput> = {}, outputs = 1): Name[] {
    const { name, kind } = this.origin;
    const made = Array.from({ length: outputs }, () => `${name}#${this.#counter++}`);
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    this.#message.node.push({ opType: op, input: [...inputs], output: made, name, shown: kind, attribute });
    return made;
  }
  one(op: string, inputs: readonly Name[], attributes: Record<string, AttributeInput> = {}): Name {
    return this.node(op, inputs, attributes)[0]!;
  }

  constant(constant: Constant): Name {
    const name = `constant#${this.#counter++}`;
    this.#message.initializer.push(tensorOf(name, constant));
    this.#constants.set(name, constant);
    return name;
  }
  floats(data: ArrayLike<number>, dims: readonly number[] = [data.length]): Name {
    return this.constant({ dims: [...dims], data: Float32Array.from(data), integer: false });
  }
  number(value: number): Name {
    return this.floats([value], []);
  }
  ints(...values: number[]): Name {
    return this.constant({ dims: [values.length], data: Float64Array.from(values), integer: true });
  }
  /** The constant that a name stands for, if it is one. */
  constantAt(name: Name): Constant | undefined {
    return this.#constants.get(name);
  }

  transpose(x: Name, permutation: readonly number[]): Name {
    const known = this.#constants.get(x);
    if (known) {
      const key = `${x} ${permutation.join()}`;
      const turned = this.#turned.get(key) ?? this.constant(transposeConstant(known, permutation));
      this.#turned.set(key, turned);
      return turned;
    }
    return this.one("Transpose", [x], { perm: permutation });
  }
  /** Runs what works on `[N, C, H, W]` on a tensor of another layout, and gives its result in that layout. */
  channelsFirst(x: Name, isLast: boolean, inside: (x: Name) => Name): Name {
    if (!isLast) return inside(x);
    return this.transpose(inside(this.transpose(x, [0, 3, 1, 2])), [0, 2, 3, 1]);
  }

  finish(output: GraphOutput[]): GraphMessage {
    return { ...this.#message, output };
  }
}

function attributeOf(name: string, value: AttributeInput): AttributeProto {
  if (typeof value === "string") return { name, type: AttributeType.string, s: new TextEncoder().encode(value) };
  if (typeof value === "number") return { name, type: AttributeType.int, i: value };
  if ("float" in value) return { name, type: AttributeType.float, f: value.float };
  return { name, type: AttributeType.ints, ints: [...value] };
}

function tensorOf(name: Name, { dims, data, integer, type }: Constant): TensorProto {
  if (integer && type !== undefined && type !== ElementType.int64)
    return { name, dims, dataType: type, int32Data: Array.from(data) };
  if (integer) return { name, dims, dataType: ElementType.int64, int64Data: Array.from(data) };
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  return {
    name,
    dims,
    dataType: ElementType.float,
    rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}
