import { ModelError } from "../../errors.js";
import { ElementType, type TensorProto, toNumber } from "./proto.js";

/** A constant of the model file: row-major numbers with their dims. Integers are kept as numbers too. */
export interface Constant {
  dims: number[];
  data: Float32Array | Float64Array;
  integer: boolean;
}

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Reads weights from a file beside the model: `(location, offset, length) => bytes`. */
export type ExternalReader = (location: string, offset: number, length: number | undefined) => Uint8Array;

export function readTensor(tensor: TensorProto, external: ExternalReader): Constant {
  const dims = (tensor.dims ?? []).map((d) => toNumber(d));
  const count = product(dims);
  const label = tensor.name ? `tensor "${tensor.name}"` : "a constant";
  if (dims.some((d) => d < 0))
    throw new ModelError(
      "model-corrupt",
      `${label} has negative dims [${dims.join(", ")}]; the model file is damaged, export it again.`,
    );
  const type = tensor.dataType ?? 0;
  const integer = type !== ElementType.float && type !== ElementType.double && type !== ElementType.float16;
  let raw = tensor.rawData?.length ? tensor.rawData : undefined;
  if (tensor.dataLocation === 1) {
    const entry = new Map((tensor.externalData ?? []).map((e) => [e.key, e.value]));
    const length = entry.get("length");
    raw = external(
      entry.get("location") ?? "",
      Number(entry.get("offset") ?? 0),
      length === undefined ? undefined : Number(length),
    );
  }
  const typed = raw ? fromRaw(raw, type, label) : fromFields(tensor, type, label);
  if (typed.length !== count)
    throw new ModelError(
      "model-corrupt",
      `${label} holds ${typed.length} numbers where its dims [${dims.join(", ")}] need ${count}; the model file is damaged, export it again.`,
    );
  return { dims, data: typed, integer };
}

function fromRaw(raw: Uint8Array, type: number, label: string): Float32Array | Float64Array {
  const bytes = raw.byteOffset % 8 === 0 ? raw : new Uint8Array(raw);
  const at = (size: number): [ArrayBufferLike, number, number] => [
    bytes.buffer,
    bytes.byteOffset,
    Math.floor(bytes.byteLength / size),
  ];
  switch (type) {
    case ElementType.float:
      return new Float32Array(...at(4));
    case ElementType.double:
      return new Float64Array(...at(8));
    case ElementType.int64:
      return Float64Array.from(new BigInt64Array(...at(8)), Number);
    case ElementType.int32:
      return Float64Array.from(new Int32Array(...at(4)));
    case ElementType.int8:
      return Float64Array.from(new Int8Array(...at(1)));
    case ElementType.uint8:
    case ElementType.bool:
      return Float64Array.from(new Uint8Array(...at(1)));
    case ElementType.float16:
      return Float32Array.from(new Uint16Array(...at(2)), halfToFloat);
    default:
      throw new ModelError(
        "model-type",
        `${label} has element type ${type}, which is not supported; export the model in float32.`,
      );
  }
}

function fromFields(tensor: TensorProto, type: number, label: string): Float32Array | Float64Array {
  switch (type) {
    case ElementType.float:
      return Float32Array.from(tensor.floatData ?? []);
    case ElementType.double:
      return Float64Array.from(tensor.doubleData ?? []);
    case ElementType.int64:
      return Float64Array.from(tensor.int64Data ?? [], (v) => toNumber(v));
    case ElementType.int32:
    case ElementType.int8:
    case ElementType.uint8:
    case ElementType.bool:
      return Float64Array.from(tensor.int32Data ?? []);
    case ElementType.float16:
      return Float32Array.from(tensor.int32Data ?? [], halfToFloat);
    default:
      throw new ModelError(
        "model-type",
        `${label} has element type ${type}, which is not supported; export the model in float32.`,
      );
  }
}

/** The number that 16 bits stand for. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
