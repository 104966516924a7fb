import { type Tensor, tensor } from "./tensor.js";

export type AttributeValue = number | string | number[] | string[] | Tensor;

export interface OnnxNode {
  op: string;
  name: string;
  /** "" where an optional input is left out. */
  inputs: string[];
  outputs: string[];
  attributes: Map<string, AttributeValue>;
}

export interface OnnxModel {
  opset: number;
  nodes: OnnxNode[];
  initializers: Map<string, Tensor>;
  /** Graph inputs that are not initializers; a free dimension is −1. */
  inputs: { name: string; dims: number[] }[];
  outputs: string[];
}

/** One field of a protobuf message: its number and its content as the wire holds it. */
interface Field {
  id: number;
  /** Wire type 0. */
  int: bigint;
  /** Wire type 2, or the raw 4 or 8 bytes of types 5 and 1. */
  bytes: Uint8Array;
  wire: number;
}

function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error("the file ends inside a number");
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
  };
  const take = (n: number): Uint8Array => {
    if (at + n > bytes.length) throw new Error("the file ends inside a field");
    at += n;
    return bytes.subarray(at - n, at);
  };
  const none = new Uint8Array(0);
  while (at < bytes.length) {
    const key = Number(varint());
    const id = key >> 3;
    const wire = key & 7;
    if (wire === 0) yield { id, wire, int: varint(), bytes: none };
    else if (wire === 1) yield { id, wire, int: 0n, bytes: take(8) };
    else if (wire === 2) yield { id, wire, int: 0n, bytes: take(Number(varint())) };
    else if (wire === 5) yield { id, wire, int: 0n, bytes: take(4) };
    else throw new Error(`unknown wire type ${wire}`);
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Repeated numbers: packed into one field (wire type 2) or one field each. */
function varints(field: Field): number[] {
  if (field.wire === 0) return [Number(field.int)];
  const values: number[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of field.bytes) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) {
      values.push(Number(BigInt.asIntN(64, value)));
      value = 0n;
      shift = 0n;
    }
  }
  return values;
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Bytes per element and how to read one, by TensorProto.DataType. */
const ELEMENTS: Record<number, [size: number, read: (v: DataView, at: number) => number]> = {
  1: [4, (v, at) => v.getFloat32(at, true)],
  2: [1, (v, at) => v.getUint8(at)],
  3: [1, (v, at) => v.getInt8(at)],
  4: [2, (v, at) => v.getUint16(at, true)],
  5: [2, (v, at) => v.getInt16(at, true)],
  6: [4, (v, at) => v.getInt32(at, true)],
  7: [8, (v, at) => Number(v.getBigInt64(at, true))],
  9: [1, (v, at) => v.getUint8(at)],
  10: [2, (v, at) => half(v.getUint16(at, true))],
  11: [8, (v, at) => v.getFloat64(at, true)],
  12: [4, (v, at) => v.getUint32(at, true)],
  13: [8, (v, at) => Number(v.getBigUint64(at, true))],
};

function elements(bytes: Uint8Array, type: number): number[] {
  const [size, read] = ELEMENTS[type] ?? unknownType(type);
  const v = view(bytes);
  return Array.from({ length: bytes.length / size }, (_, k) => read(v, k * size));
}

function unknownType(type: number): never {
  throw new Error(`tensor data type ${type} is not read`);
}

function readTensor(bytes: Uint8Array): { name: string; value: Tensor } {
  let name = "";
  let type = 1;
  let raw: Uint8Array | undefined;
  const dims: number[] = [];
  const values: number[] = [];
  for (const f of fieldsOf(bytes)) {
    if (f.id === 1) dims.push(...varints(f));
    else if (f.id === 2) type = Number(f.int);
    else if (f.id === 4) for (const x of elements(f.bytes, 1)) values.push(x);
    else if (f.id === 5) for (const x of varints(f)) values.push(x);
    else if (f.id === 7 || f.id === 11) for (const x of varints(f)) values.push(x);
    else if (f.id === 8) name = text(f.bytes);
    else if (f.id === 9) raw = f.bytes;
    else if (f.id === 10) for (const x of elements(f.bytes, 11)) values.push(x);
    else if (f.id === 13 || f.id === 14) throw new Error(`tensor "${name}" is stored outside the file`);
  }
  const numbers = raw ? elements(raw, type) : type === 10 ? values.map(half) : values;
  const value = tensor(dims, numbers);
  if (value.data.length !== dims.reduce((a, b) => a * b, 1)) throw new Error(`tensor "${name}" is incomplete`);
  return { name, value };
}

function readAttribute(bytes: Uint8Array): [string, AttributeValue] {
  let name = "";
  let type = 0;
  let single: AttributeValue = 0;
  const numbers: number[] = [];
  const strings: string[] = [];
  for (const f of fieldsOf(bytes)) {
    if (f.id === 1) name = text(f.bytes);
    else if (f.id === 2) single = elements(f.bytes, 1)[0]!;
    else if (f.id === 3) single = Number(f.int);
    else if (f.id === 4) single = text(f.bytes);
    else if (f.id === 5) single = readTensor(f.bytes).value;
    else if (f.id === 7) for (const x of elements(f.bytes, 1)) numbers.push(x);
    else if (f.id === 8) numbers.push(...varints(f));
    else if (f.id === 9) strings.push(text(f.bytes));
    else if (f.id === 20) type = Number(f.int);
  }
  if (type === 6 || type === 7) return [name, numbers];
  if (type === 8) return [name, strings];
  if (type === 3 && typeof single !== "string") return [name, ""];
  if (type < 1 || type > 4) throw new Error(`attribute "${name}" has type ${type}, which is not read`);
  return [name, single];
}

function readNode(bytes: Uint8Array): OnnxNode {
  const node: OnnxNode = { op: "", name: "", inputs: [], outputs: [], attributes: new Map() };
  for (const f of fieldsOf(bytes)) {
    if (f.id === 1) node.inputs.push(text(f.bytes));
    else if (f.id === 2) node.outputs.push(text(f.bytes));
    else if (f.id === 3) node.name = text(f.bytes);
    else if (f.id === 4) node.op = text(f.bytes);
    else if (f.id === 5) node.attributes.set(...readAttribute(f.bytes));
  }
  return node;
}

/** ValueInfoProto → name and shape (type.tensor_type.shape.dim). */
function readValueInfo(bytes: Uint8Array): { name: string; dims: number[] } {
  const info = { name: "", dims: [] as number[] };
  const inside = (message: Uint8Array, id: number): Uint8Array[] =>
    [...fieldsOf(message)].filter((f) => f.id === id).map((f) => f.bytes);
  for (const f of fieldsOf(bytes)) {
    if (f.id === 1) info.name = text(f.bytes);
    if (f.id !== 2) continue;
    const dims = inside(f.bytes, 1).flatMap((type) => inside(type, 2).flatMap((shape) => inside(shape, 1)));
    info.dims = dims.map((dim) => Number([...fieldsOf(dim)].find((d) => d.id === 1)?.int ?? -1n));
  }
  return info;
}

/** Reads an ONNX file whose tensors are stored inside it. */
export function readOnnx(bytes: Uint8Array): OnnxModel {
  const model: OnnxModel = { opset: 0, nodes: [], initializers: new Map(), inputs: [], outputs: [] };
  for (const f of fieldsOf(bytes)) {
    if (f.id === 8) {
      const opset = [...fieldsOf(f.bytes)];
      const domain = text(opset.find((o) => o.id === 1)?.bytes ?? new Uint8Array(0));
      if (domain === "" || domain === "ai.onnx") model.opset = Number(opset.find((o) => o.id === 2)?.int ?? 0n);
    }
    if (f.id !== 7) continue;
    for (const g of fieldsOf(f.bytes)) {
      if (g.id === 1) model.nodes.push(readNode(g.bytes));
      else if (g.id === 5) {
        const { name, value } = readTensor(g.bytes);
        model.initializers.set(name, value);
      } else if (g.id === 11) model.inputs.push(readValueInfo(g.bytes));
      else if (g.id === 12) model.outputs.push(readValueInfo(g.bytes).name);
    }
  }
  model.inputs = model.inputs.filter((input) => !model.initializers.has(input.name));
  return model;
}

export const numberAttribute = (node: OnnxNode, name: string, byDefault: number): number =>
  (node.attributes.get(name) as number | undefined) ?? byDefault;
export const listAttribute = (node: OnnxNode, name: string): number[] | undefined =>
  node.attributes.get(name) as number[] | undefined;
export const textAttribute = (node: OnnxNode, name: string, byDefault: string): string =>
  (node.attributes.get(name) as string | undefined) ?? byDefault;
