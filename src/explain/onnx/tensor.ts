import { ModelError } from "../../errors.js";
import { fromInt64 } from "../proto/int64.js";
import { ElementType, type TensorProto, toNumber, typeName } from "../proto/onnx.js";

/** A constant of the model file: row-major numbers with their dims. Integers are kept as numbers too. */
export interface Constant {
  dims: number[];
  data: Float32Array | Float64Array;
  integer: boolean;
  /** Element type in the file; without it float32, or int64 where it is an integer. */
  type?: number;
  /** The same for every frame: the first axis is the batch, of which one frame is held. */
  batched?: boolean;
  /** Of a batched one that counts frames: how much more each frame's elements are than those of the frame before. */
  step?: number;
}

export const typeOf = (c: Constant): number => c.type ?? (c.integer ? ElementType.int64 : ElementType.float);

/** No exporter writes tensors of more axes. */
export const MAX_AXES = 64;

/** How many elements dims stand for. */
export const size = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/**
 * Reads weights from a file beside the model; without a length up to the file's end, but no more than `most` bytes: what a
 * file claims is not read before it is known to be wanted.
 */
export type ExternalReader = (location: string, offset: number, length: number | undefined, most: number) => Uint8Array;

/** Bits of one element in raw data. */
const BITS: Record<number, number> = {
  [ElementType.float]: 32,
  [ElementType.double]: 64,
  [ElementType.int64]: 64,
  [ElementType.uint64]: 64,
  [ElementType.int32]: 32,
  [ElementType.uint32]: 32,
  [ElementType.int16]: 16,
  [ElementType.uint16]: 16,
  [ElementType.float16]: 16,
  [ElementType.bfloat16]: 16,
  [ElementType.int8]: 8,
  [ElementType.uint8]: 8,
  [ElementType.bool]: 8,
  [ElementType.int4]: 4,
  [ElementType.uint4]: 4,
};
const FLOATING = new Set<number>([ElementType.float, ElementType.double, ElementType.float16, ElementType.bfloat16]);
export const isFloating = (type: number): boolean => FLOATING.has(type);

/** Elements of all weights of a file together beyond which nothing is read: 16 GiB in float32. */
const MAX_WEIGHTS_ELEMENTS = 2 ** 32;

export function readTensor(tensor: TensorProto, external: ExternalReader): Constant {
  const dims = (tensor.dims ?? []).map((d) => toNumber(d));
  const count = size(dims);
  const label = tensor.name ? `tensor "${tensor.name}"` : "a constant";
  if (dims.length > MAX_AXES)
    throw new ModelError(
      "model-corrupt",
      `${label} has ${dims.length} axes, and up to ${MAX_AXES} are known; the model file is damaged, export it again`,
    );
  if (dims.some((d) => d < 0))
    throw new ModelError(
      "model-corrupt",
      `${label} has negative dims [${dims.join(", ")}]; the model file is damaged, export it again`,
    );
  const type = tensor.dataType ?? 0;
  const bits = Object.hasOwn(BITS, type) ? BITS[type]! : undefined;
  if (bits === undefined)
    throw new ModelError(
      "model-type",
      `${label} has element type ${typeName(type)}, which is not supported; export the model in float32`,
    );
  const damaged = (held: string): never => {
    throw new ModelError(
      "model-corrupt",
      `${label} holds ${held} numbers where its dims [${dims.join(", ")}] need ${count}; the model file is damaged, export it again`,
    );
  };
  let raw = tensor.rawData?.length ? tensor.rawData : undefined;
  if (tensor.dataLocation === 1) {
    const entry = new Map((tensor.externalData ?? []).map((e) => [e.key, e.value]));
    const wanted = Math.ceil((count * bits) / 8);
    const length = entry.get("length");
    // Said before anything is read: the dims decide how much there can be.
    if (length !== undefined && Number(length) > wanted) damaged(String(Math.floor((Number(length) * 8) / bits)));
    if (count > MAX_WEIGHTS_ELEMENTS)
      throw new ModelError(
        "model-size",
        `${label} has dims [${dims.join(", ")}], which are ${count} numbers, and weights of up to ${MAX_WEIGHTS_ELEMENTS} are read; export a smaller network`,
      );
    const most = wanted + 1024;
    raw = external(
      entry.get("location") ?? "",
      Number(entry.get("offset") ?? 0),
      length === undefined ? undefined : Number(length),
      most,
    );
    if (raw.length === most) damaged("more");
  }
  const typed = raw ? fromRaw(raw, type, count) : fromFields(tensor, type, count);
  if (typed.length !== count) damaged(String(typed.length));
  return { dims, data: typed, integer: !isFloating(type), type };
}

function fromRaw(raw: Uint8Array, type: number, count: number): Float32Array | Float64Array {
  const bytes = raw.byteOffset % 8 === 0 ? raw : new Uint8Array(raw);
  const at = (width: number): [ArrayBufferLike, number, number] => [
    bytes.buffer,
    bytes.byteOffset,
    Math.floor(bytes.byteLength / width),
  ];
  switch (type) {
    case ElementType.float:
      return new Float32Array(...at(4));
    case ElementType.double:
      return new Float64Array(...at(8));
    case ElementType.int64:
      return fromInt64(new BigInt64Array(...at(8)));
    case ElementType.uint64:
      return fromInt64(new BigUint64Array(...at(8)));
    case ElementType.int32:
      return Float64Array.from(new Int32Array(...at(4)));
    case ElementType.uint32:
      return Float64Array.from(new Uint32Array(...at(4)));
    case ElementType.int16:
      return Float64Array.from(new Int16Array(...at(2)));
    case ElementType.uint16:
      return Float64Array.from(new Uint16Array(...at(2)));
    case ElementType.int8:
      return Float64Array.from(new Int8Array(...at(1)));
    case ElementType.float16:
      return Float32Array.from(new Uint16Array(...at(2)), halfToFloat);
    case ElementType.bfloat16:
      return bfloatsToFloats(new Uint16Array(...at(2)));
    case ElementType.int4:
    case ElementType.uint4:
      return nibbles(bytes, count, type === ElementType.int4);
    default:
      return Float64Array.from(new Uint8Array(...at(1)));
  }
}

function fromFields(tensor: TensorProto, type: number, count: number): Float32Array | Float64Array {
  switch (type) {
    case ElementType.float:
      return Float32Array.from(tensor.floatData ?? []);
    case ElementType.double:
      return Float64Array.from(tensor.doubleData ?? []);
    case ElementType.int64:
      return Float64Array.from(tensor.int64Data ?? [], (v) => toNumber(v));
    case ElementType.uint64:
    case ElementType.uint32:
      return Float64Array.from(tensor.uint64Data ?? [], (v) => toNumber(v));
    case ElementType.float16:
      return Float32Array.from(tensor.int32Data ?? [], halfToFloat);
    case ElementType.bfloat16:
      return bfloatsToFloats(Uint16Array.from(tensor.int32Data ?? []));
    case ElementType.int4:
    case ElementType.uint4:
      return nibbles(Uint8Array.from(tensor.int32Data ?? []), count, type === ElementType.int4);
    default:
      return Float64Array.from(tensor.int32Data ?? []);
  }
}

/** Two numbers a byte, the lower half first; as many as there are bytes for, where that is less than wanted. */
function nibbles(bytes: Uint8Array, count: number, signed: boolean): Float64Array {
  const out = new Float64Array(bytes.length === Math.ceil(count / 2) ? count : 2 * bytes.length);
  for (let k = 0; k < out.length; k++) {
    const half = (bytes[k >> 1]! >> (k % 2 === 0 ? 0 : 4)) & 0xf;
    out[k] = signed && half > 7 ? half - 16 : half;
  }
  return out;
}

/** The upper half of a float32. */
function bfloatsToFloats(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let k = 0; k < halves.length; k++) bits[k] = halves[k]! << 16;
  return new Float32Array(bits.buffer);
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
