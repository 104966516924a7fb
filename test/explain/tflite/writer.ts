/** A field of a flatbuffer's table, as it is written. */
export type Field =
  | { int8: number }
  | { int32: number }
  | { float32: number }
  | { text: string }
  | { bytes: Uint8Array }
  | { int32s: readonly number[] }
  | { int64s: readonly number[] }
  | { float32s: readonly number[] }
  | { table: Table }
  | { tables: readonly Table[] };
/** Fields by their number. */
export type Table = Readonly<Record<number, Field>>;

/** Writes a flatbuffer from the front, each table before what it points to. */
export function flatbuffer(root: Table, identifier = "TFL3"): Uint8Array {
  const out: number[] = [0, 0, 0, 0, ...Buffer.from(identifier)];
  const put = (at: number, bytes: ArrayBuffer): void => {
    for (const [k, byte] of new Uint8Array(bytes).entries()) out[at + k] = byte;
  };
  const uint32 = (v: number): ArrayBuffer => Uint32Array.of(v).buffer;
  const end = (): number => {
    while (out.length % 8 !== 0) out.push(0);
    return out.length;
  };
  const list = (length: number, content: ArrayBuffer): number => {
    const at = end();
    put(at, uint32(length));
    put(at + 4, content);
    return at;
  };
  const table = (fields: Table): number => {
    const numbers = Object.keys(fields).map(Number);
    const count = Math.max(-1, ...numbers) + 1;
    const places = Array.from({ length: count }, (_, k) => (numbers.includes(k) ? 8 + 8 * k : 0));
    const before = end();
    put(before, Uint16Array.of(4 + 2 * count, 8 + 8 * count, ...places).buffer);
    const at = end();
    put(at, Int32Array.of(at - before, 0).buffer);
    for (let k = 0; k < count; k++) put(at + 8 + 8 * k, uint32(0));
    put(at + 8 + 8 * count, uint32(0));
    for (const number of numbers) field(at + 8 + 8 * number, fields[number]!);
    return at;
  };
  const field = (place: number, given: Field): void => {
    const point = (target: number): void => put(place, uint32(target - place));
    if ("int8" in given) put(place, Int8Array.of(given.int8).buffer);
    else if ("int32" in given) put(place, Int32Array.of(given.int32).buffer);
    else if ("float32" in given) put(place, Float32Array.of(given.float32).buffer);
    else if ("text" in given) field(place, { bytes: new TextEncoder().encode(given.text) });
    else if ("bytes" in given) point(list(given.bytes.length, Uint8Array.from(given.bytes).buffer));
    else if ("int32s" in given) point(list(given.int32s.length, Int32Array.from(given.int32s).buffer));
    else if ("int64s" in given) point(list(given.int64s.length, BigInt64Array.from(given.int64s, BigInt).buffer));
    else if ("float32s" in given) point(list(given.float32s.length, Float32Array.from(given.float32s).buffer));
    else if ("table" in given) point(table(given.table));
    else {
      const at = list(given.tables.length, new ArrayBuffer(4 * given.tables.length));
      point(at);
      given.tables.forEach((t, k) => {
        const entry = at + 4 + 4 * k;
        put(entry, uint32(table(t) - entry));
      });
    }
  };
  put(0, uint32(table(root)));
  return Uint8Array.from(out);
}

/** A tensor of a file: the numbers of a constant as bytes, and its scales where it is quantised. */
export interface TensorSpec {
  name?: string;
  dims: readonly number[];
  /** By its code; default float32. */
  type?: number;
  data?: Uint8Array;
  scales?: readonly number[];
  zeroPoints?: readonly number[];
  axis?: number;
}
export interface OperatorSpec {
  /** Code of the operator, or the name of one that is none of the format's own. */
  code: number | string;
  inputs: readonly number[];
  outputs: readonly number[];
  options?: Table;
}
export interface ModelSpec {
  tensors: readonly TensorSpec[];
  operators: readonly OperatorSpec[];
  inputs?: readonly number[];
  outputs?: readonly number[];
}

const CUSTOM = 32;

export const quantisation = ({ scales, zeroPoints = [], axis = 0 }: TensorSpec): Table =>
  scales ? { 2: { float32s: scales }, 3: { int64s: zeroPoints }, 6: { int32: axis } } : {};

/** A file of TensorFlow Lite. The first tensor is the picture and the last one the scores, unless it is said. */
export function liteFile({ tensors, operators, inputs = [0], outputs = [tensors.length - 1] }: ModelSpec): Uint8Array {
  const held = [...new Set(tensors.flatMap(({ data }) => (data ? [data] : [])))];
  const bufferOf = (data: Uint8Array | undefined): number => (data ? 1 + held.indexOf(data) : 0);
  return flatbuffer({
    0: { int32: 3 },
    1: {
      tables: operators.map(
        ({ code }): Table =>
          typeof code === "string"
            ? { 0: { int8: CUSTOM }, 1: { text: code }, 3: { int32: CUSTOM } }
            : { 0: { int8: Math.min(code, 127) }, 3: { int32: code } },
      ),
    },
    2: {
      tables: [
        {
          0: {
            tables: tensors.map((t, k) => ({
              0: { int32s: t.dims },
              1: { int8: t.type ?? 0 },
              2: { int32: bufferOf(t.data) },
              3: { text: t.name ?? `t${k}` },
              4: { table: quantisation(t) },
            })),
          },
          1: { int32s: inputs },
          2: { int32s: outputs },
          3: {
            tables: operators.map(({ inputs, outputs, options = {} }, k) => ({
              0: { int32: k },
              1: { int32s: inputs },
              2: { int32s: outputs },
              4: { table: options },
            })),
          },
        },
      ],
    },
    4: { tables: [{}, ...held.map((data) => ({ 0: { bytes: data } }))] },
  });
}

export const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
export const wholes = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
export const bytes = (...values: number[]): Uint8Array => new Uint8Array(Int8Array.from(values).buffer);
