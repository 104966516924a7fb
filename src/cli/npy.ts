import { InputError } from "../errors.js";

/** An array as NumPy stores it, converted to float32. */
export interface NpyArray {
  dims: number[];
  data: Float32Array;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** Element types read, all little-endian; others are refused by name. */
const READERS: Record<string, { size: number; read(view: DataView, at: number): number }> = {
  "<f4": { size: 4, read: (v, at) => v.getFloat32(at, true) },
  "<f8": { size: 8, read: (v, at) => v.getFloat64(at, true) },
  "|u1": { size: 1, read: (v, at) => v.getUint8(at) },
};

/** Reads a `.npy` file (format 1 to 3, C order). @throws InputError naming the file and what is wrong */
export function readNpy(bytes: Uint8Array, file: string): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || MAGIC.some((b, k) => bytes[k] !== b))
    throw new InputError("npy", `${file} is not a .npy file; write it with numpy.save`);
  const long = bytes[6]! >= 2;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const type = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  if (type === undefined || shape === undefined || start + length > bytes.length)
    throw new InputError("npy", `${file} has a damaged .npy header; write it again with numpy.save`);
  const reader = READERS[type];
  if (!reader)
    throw new InputError("npy", `${file} holds elements of type ${type}; save it as float32 (array.astype("float32"))`);
  if (/'fortran_order':\s*True/.test(header))
    throw new InputError("npy", `${file} is stored in Fortran order; save numpy.ascontiguousarray(array)`);
  const dims = shape
    .split(",")
    .map((d) => d.trim())
    .filter((d) => d !== "")
    .map(Number);
  const count = dims.reduce((a, b) => a * b, 1);
  if (bytes.length - start - length !== count * reader.size)
    throw new InputError(
      "npy",
      `${file} holds ${bytes.length - start - length} bytes where its shape (${dims.join(", ")}) needs ${count * reader.size}; the file is cut off or damaged`,
    );
  const data = new Float32Array(count);
  for (let k = 0; k < count; k++) data[k] = reader.read(view, start + length + k * reader.size);
  return { dims, data };
}

/** Writes float32 in C order, format 1. */
export function writeNpy(dims: readonly number[], data: Float32Array): Uint8Array {
  const shape = `(${dims.join(", ")}${dims.length === 1 ? "," : ""})`;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const out = new Uint8Array(10 + padded.length + data.length * 4);
  out.set([...MAGIC, 1, 0]);
  new DataView(out.buffer).setUint16(8, padded.length, true);
  out.set(new TextEncoder().encode(padded), 10);
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + padded.length);
  return out;
}
