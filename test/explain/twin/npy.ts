import { readFileSync } from "node:fs";
import { sizeOf } from "./tensor.js";

export interface NpyArray {
  dims: number[];
  data: Float32Array | Float64Array | BigInt64Array;
}

const TYPES = { "<f4": Float32Array, "<f8": Float64Array, "<i8": BigInt64Array } as const;
const MAGIC = "\x93NUMPY";

/** Reads a little-endian float32, float64 or int64 array in C order, header version 1 or 2. */
export function parseNpy(bytes: Uint8Array): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (Buffer.from(bytes.subarray(0, 6)).toString("latin1") !== MAGIC) throw new Error("not an .npy file");
  const wide = bytes[6]! >= 2;
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = Buffer.from(bytes.subarray(start, start + length)).toString("latin1");
  const type = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (shape === undefined || !type || !(type in TYPES)) throw new Error(`an .npy header that is not read: ${header}`);
  if (/'fortran_order':\s*True/.test(header)) throw new Error("an .npy file in Fortran order is not read");
  const dims = shape
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  const ArrayType = TYPES[type as keyof typeof TYPES];
  const end = start + length + sizeOf(dims) * ArrayType.BYTES_PER_ELEMENT;
  if (bytes.length < end) throw new Error("the .npy file ends too early");
  // Copied: the data may start at any byte, typed arrays may not. (A Buffer's slice would not copy.)
  return { dims, data: new ArrayType(Uint8Array.prototype.slice.call(bytes, start + length, end).buffer) };
}

/** The inverse of `parseNpy`, header version 1 unless it needs 2. */
export function formatNpy({ dims, data }: NpyArray): Buffer {
  const type = Object.entries(TYPES).find(([, ArrayType]) => data instanceof ArrayType)![0];
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(", ");
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape}), }`;
  const wide = text.length + 64 > 65535;
  const fixed = wide ? 12 : 10;
  const length = Math.ceil((fixed + text.length + 1) / 64) * 64 - fixed;
  const head = Buffer.alloc(fixed);
  head.write(MAGIC, "latin1");
  head[6] = wide ? 2 : 1;
  if (wide) head.writeUInt32LE(length, 8);
  else head.writeUInt16LE(length, 8);
  const body = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([head, Buffer.from(`${text.padEnd(length - 1)}\n`, "latin1"), body]);
}

/** An .npy file of floats. */
export function readNpy(path: string): { dims: number[]; data: Float32Array | Float64Array } {
  const { dims, data } = parseNpy(readFileSync(path));
  if (data instanceof BigInt64Array) throw new Error(`${path} holds integers`);
  return { dims, data };
}
