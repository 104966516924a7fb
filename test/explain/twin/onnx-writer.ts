import type { Tensor } from "./tensor.js";

/** A number is an int if it is whole and ONNX has no float attribute of that name; `{ float: 1 }`, `{ floats: [1] }` force floats. */
export type AttributeInput = number | string | readonly number[] | { float: number } | { floats: readonly number[] };

const FLOAT_ATTRIBUTES = new Set([
  "alpha",
  "beta",
  "epsilon",
  "gamma",
  "max",
  "min",
  "momentum",
  "value",
  "value_float",
]);

export interface NodeInput {
  op: string;
  /** Of the operator set; default: the standard's. */
  domain?: string;
  /** Default: the first output's name. */
  name?: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Record<string, AttributeInput>;
}

/** Stored as float32 unless `type` says otherwise. */
export interface InitializerInput {
  dims: readonly number[];
  data: ArrayLike<number>;
  type?: "float32" | "float64" | "int64" | "int32" | "uint16" | "int8" | "uint8";
}

/** A dimension is a length or, as text, the name of a free one. */
export interface ValueInput {
  name: string;
  dims?: readonly (number | string)[];
}

export interface ModelInput {
  inputs: readonly ValueInput[];
  nodes: readonly NodeInput[];
  initializers?: Record<string, InitializerInput | Tensor>;
  outputs: readonly (string | ValueInput)[];
  /** Default 18. */
  opset?: number;
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const int = (id: number, value: number | bigint): Uint8Array => concat([varint(id << 3), varint(value)]);
const bytes = (id: number, content: Uint8Array): Uint8Array =>
  concat([varint((id << 3) | 2), varint(content.length), content]);
const text = (id: number, content: string): Uint8Array => bytes(id, utf8(content));
const message = (id: number, ...fields: Uint8Array[]): Uint8Array => bytes(id, concat(fields));
const float = (id: number, value: number): Uint8Array =>
  concat([varint((id << 3) | 5), new Uint8Array(Float32Array.of(value).buffer)]);

/** AttributeProto.AttributeType. */
const TYPE = { float: 1, int: 2, string: 3, floats: 6, ints: 7 } as const;

function attribute(name: string, value: AttributeInput): Uint8Array {
  const typed = (type: keyof typeof TYPE, ...fields: Uint8Array[]): Uint8Array =>
    message(5, text(1, name), ...fields, int(20, TYPE[type]));
  const ints = (values: readonly number[]): Uint8Array => typed("ints", ...values.map((v) => int(8, v)));
  const floats = (values: readonly number[]): Uint8Array => typed("floats", ...values.map((v) => float(7, v)));
  if (typeof value === "string") return typed("string", text(4, value));
  if (typeof value === "number")
    return Number.isInteger(value) && !FLOAT_ATTRIBUTES.has(name)
      ? typed("int", int(3, value))
      : typed("float", float(2, value));
  if ("float" in value) return typed("float", float(2, value.float));
  if ("floats" in value) return floats(value.floats);
  return value.every(Number.isInteger) ? ints(value) : floats(value);
}

const node = ({ op, domain, name, inputs, outputs, attributes = {} }: NodeInput): Uint8Array =>
  message(
    1,
    ...inputs.map((input) => text(1, input)),
    ...outputs.map((output) => text(2, output)),
    text(3, name ?? outputs[0] ?? ""),
    text(4, op),
    ...(domain === undefined ? [] : [text(7, domain)]),
    ...Object.entries(attributes).map(([key, value]) => attribute(key, value)),
  );

const STORED = {
  float32: { type: 1, raw: (data: ArrayLike<number>) => Float32Array.from(data).buffer },
  float64: { type: 11, raw: (data: ArrayLike<number>) => Float64Array.from(data).buffer },
  int64: { type: 7, raw: (data: ArrayLike<number>) => BigInt64Array.from(Array.from(data, BigInt)).buffer },
  int32: { type: 6, raw: (data: ArrayLike<number>) => Int32Array.from(data).buffer },
  uint16: { type: 4, raw: (data: ArrayLike<number>) => Uint16Array.from(data).buffer },
  int8: { type: 3, raw: (data: ArrayLike<number>) => Int8Array.from(data).buffer },
  uint8: { type: 2, raw: (data: ArrayLike<number>) => Uint8Array.from(data).buffer },
};

function initializer(name: string, value: InitializerInput | Tensor): Uint8Array {
  const { type, raw } = STORED[("type" in value && value.type) || "float32"];
  const dims = value.dims.map((n) => int(1, n));
  return message(5, ...dims, int(2, type), text(8, name), bytes(9, new Uint8Array(raw(value.data))));
}

/** ValueInfoProto of a float32 tensor; without `dims` the shape is left open. */
function valueInfo(id: number, { name, dims }: ValueInput): Uint8Array {
  const shape = dims && [message(2, ...dims.map((n) => message(1, typeof n === "number" ? int(1, n) : text(2, n))))];
  return message(id, text(1, name), message(2, message(1, int(1, STORED.float32.type), ...(shape ?? []))));
}

/** Encodes a small network as an ONNX file. */
export function buildModel({ inputs, nodes, initializers = {}, outputs, opset = 18 }: ModelInput): Uint8Array {
  return concat([
    int(1, 8),
    message(
      7,
      ...nodes.map(node),
      text(2, "network"),
      ...Object.entries(initializers).map(([name, value]) => initializer(name, value)),
      ...inputs.map((input) => valueInfo(11, input)),
      ...outputs.map((output) => valueInfo(12, typeof output === "string" ? { name: output } : output)),
    ),
    message(8, text(1, ""), int(2, opset)),
    ...[...new Set(nodes.flatMap((n) => n.domain ?? []))].map((domain) => message(8, text(1, domain), int(2, 1))),
  ]);
}
