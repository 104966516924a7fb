import { ModelError } from "../../errors.js";
import { fromInt64 } from "../proto/int64.js";
import { ElementType, type TensorProto, typeName } from "../proto/onnx.js";

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

/** An element type: the array of its raw data (of bytes, where two elements share one), and the field that holds it else. */
const HELD = {
  [ElementType.float]: [Float32Array, "floatData"],
  [ElementType.double]: [Float64Array, "doubleData"],
  [ElementType.int64]: [BigInt64Array, "int64Data"],
  [ElementType.uint64]: [BigUint64Array, "uint64Data"],
  [ElementType.int32]: [Int32Array, "int32Data"],
  [ElementType.uint32]: [Uint32Array, "uint64Data"],
  [ElementType.int16]: [Int16Array, "int32Data"],
  [ElementType.uint16]: [Uint16Array, "int32Data"],
  [ElementType.float16]: [Uint16Array, "int32Data"],
  [ElementType.bfloat16]: [Uint16Array, "int32Data"],
  [ElementType.int8]: [Int8Array, "int32Data"],
  [ElementType.uint8]: [Uint8Array, "int32Data"],
  [ElementType.bool]: [Uint8Array, "int32Data"],
  [ElementType.int4]: [Uint8Array, "int32Data"],
  [ElementType.uint4]: [Uint8Array, "int32Data"],
} as const;
const isHeld = (type: number): type is keyof typeof HELD => Object.hasOwn(HELD, type);
/** Whole numbers that float32 holds as they are. */
const NARROW = new Set<number>([
  ...[ElementType.int8, ElementType.uint8, ElementType.int16, ElementType.uint16, ElementType.bool],
]);
const isNibble = (type: number): boolean => type === ElementType.int4 || type === ElementType.uint4;
const FLOATING = new Set<number>([ElementType.float, ElementType.double, ElementType.float16, ElementType.bfloat16]);
export const isFloating = (type: number): boolean => FLOATING.has(type);

/** Elements of all weights of a file together beyond which nothing is read: 16 GiB in float32. */
const MAX_WEIGHTS_ELEMENTS = 2 ** 32;

export function readTensor(tensor: TensorProto, external: ExternalReader): Constant {
  const dims = [...(tensor.dims ?? [])];
  const count = size(dims);
  const label = tensor.name ? `tensor "${tensor.name}"` : "a constant";
  const damaged = (how: string): never => {
    throw new ModelError("model-corrupt", `${label} ${how}; the model file is damaged, export it again`);
  };
  if (dims.length > MAX_AXES) damaged(`has ${dims.length} axes, and up to ${MAX_AXES} are known`);
  if (dims.some((d) => d < 0)) damaged(`has negative dims [${dims.join(", ")}]`);
  const type = tensor.dataType ?? 0;
  if (!isHeld(type))
    throw new ModelError(
      "model-type",
      `${label} has element type ${typeName(type)}, which is not supported; export the model in float32`,
    );
  const [array, field] = HELD[type];
  const bits = isNibble(type) ? 4 : 8 * array.BYTES_PER_ELEMENT;
  const misfit = (held: number | string): never =>
    damaged(`holds ${held} numbers where its dims [${dims.join(", ")}] need ${count}`);
  let raw = tensor.rawData?.length ? tensor.rawData : undefined;
  if (tensor.dataLocation === 1) {
    const entry = new Map((tensor.externalData ?? []).map((e) => [e.key, e.value]));
    const wanted = Math.ceil((count * bits) / 8);
    const length = entry.get("length");
    // Said before anything is read: the dims decide how much there can be.
    if (length !== undefined && Number(length) > wanted) misfit(Math.floor((Number(length) * 8) / bits));
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
    if (raw.length === most) misfit("more");
  }
  const typed = numbersOf(raw ? elementsOf(raw, array) : (tensor[field] ?? []), type, count);
  if (typed.length !== count) misfit(typed.length);
  return { dims, data: typed, integer: !isFloating(type), type };
}

type Elements = ArrayLike<number> | BigInt64Array | BigUint64Array;
interface ElementArray {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): Elements;
}

function elementsOf(raw: Uint8Array, array: ElementArray): Elements {
  const bytes = raw.byteOffset % 8 === 0 ? raw : new Uint8Array(raw);
  return new array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.byteLength / array.BYTES_PER_ELEMENT));
}

/** The numbers that elements of a type stand for. */
function numbersOf(held: Elements, type: number, count: number): Constant["data"] {
  if (held instanceof Float32Array || held instanceof Float64Array) return held;
  if (held instanceof BigInt64Array || held instanceof BigUint64Array) return fromInt64(held);
  if (type === ElementType.float) return Float32Array.from(held);
  if (type === ElementType.float16) return Float32Array.from(held, halfToFloat);
  if (type === ElementType.bfloat16) return bfloatsToFloats(held);
  if (isNibble(type)) return nibbles(held, count, type === ElementType.int4);
  return NARROW.has(type) ? Float32Array.from(held) : Float64Array.from(held);
}

/** Two numbers a byte, the lower half first; as many as there are bytes for, where that is less than wanted. */
function nibbles(bytes: ArrayLike<number>, count: number, signed: boolean): Float32Array {
  const out = new Float32Array(bytes.length === Math.ceil(count / 2) ? count : 2 * bytes.length);
  for (let k = 0; k < out.length; k++) {
    const half = (bytes[k >> 1]! >> (k % 2 === 0 ? 0 : 4)) & 0xf;
    out[k] = signed && half > 7 ? half - 16 : half;
  }
  return out;
}

/** The upper half of a float32. */
function bfloatsToFloats(halves: ArrayLike<number>): Float32Array {
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
