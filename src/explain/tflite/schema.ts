import { ModelError } from "../../errors.js";
import { FlatTable } from "../flatbuffer.js";
import { ElementType } from "../proto/onnx.js";
import { OPERATOR_NAMES } from "./operator-names.js";

/** The part of the TensorFlow Lite format (schema.fbs, Apache-2.0, the TensorFlow authors) that classifiers use. */

const refuse = (how: string): never => {
  throw new ModelError("model-corrupt", `the model file is damaged: ${how}; copy it again`);
};

/** Element types by their code in the format, as ONNX numbers them. */
const TYPES: Readonly<Record<number, number>> = {
  0: ElementType.float,
  1: ElementType.float16,
  2: ElementType.int32,
  3: ElementType.uint8,
  4: ElementType.int64,
  5: ElementType.string,
  6: ElementType.bool,
  7: ElementType.int16,
  9: ElementType.int8,
  10: ElementType.double,
  12: ElementType.uint64,
  15: ElementType.uint32,
  16: ElementType.uint16,
  17: ElementType.int4,
  18: ElementType.bfloat16,
};

/** How whole numbers stand for real ones: `real = scale · (whole − zero point)`. */
export interface Quantisation {
  /** One for all numbers, or one for each index of `axis`. */
  scales: readonly number[];
  /** As many as scales, or one, or none where it is 0. */
  zeroPoints: readonly number[];
  axis: number;
}

/** A tensor of the file, constant or not. */
export interface LiteTensor {
  index: number;
  name: string;
  /** With the batch; −1 where a length is open. */
  dims: number[];
  /** As ONNX numbers them; undefined for one that classifiers do not have. */
  type: number | undefined;
  buffer: number;
  quantisation: Quantisation | undefined;
  /** Whether only those elements are held that are not 0. */
  sparse: boolean;
}

/** An operator of the file. */
export interface LiteOperator {
  /** As the format names it, or as its maker did. */
  kind: string;
  /** Whether it is none of the format's own. */
  custom: boolean;
  inputs: number[];
  outputs: number[];
  options: FlatTable | undefined;
}

/** No classifier has more: each counts before anything else is read. */
const MAX_OPERATORS = 20_000;
const MAX_TENSORS = 100_000;
const MAX_AXES = 64;
const MAX_OPERANDS = 4096;
const MAX_ALL_OPERANDS = 2 ** 20;
/** A list of scales has one a channel. */
const MAX_SCALES = 2 ** 20;

const CUSTOM = OPERATOR_NAMES.indexOf("CUSTOM");

/** What a file holds, read as it is asked for. */
export class LiteModel {
  readonly #bytes: Uint8Array;
  readonly #model: FlatTable;
  readonly #graph: FlatTable;
  readonly #tensors = new Map<number, LiteTensor>();
  /** Tensors of the network's main graph. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];

  /** @throws ModelError, or RangeError where places lie outside of the file */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#model = FlatTable.root(bytes);
    this.#graph = this.#model.tableAt(2, 0) ?? refuse("it holds no graph");
    bounded(this.#graph, 0, MAX_TENSORS, "tensors");
    bounded(this.#graph, 3, MAX_OPERATORS, "operators");
    this.inputs = operands(this.#graph, 1);
    this.outputs = operands(this.#graph, 2);
  }

  tensor(index: number): LiteTensor {
    const known = this.#tensors.get(index);
    if (known) return known;
    const table = this.#graph.tableAt(0, index) ?? refuse(`it names a tensor ${index} that it does not hold`);
    if (table.lengthOf(0) > MAX_AXES || table.lengthOf(7) > MAX_AXES)
      refuse(`its tensor ${index} has more than ${MAX_AXES} axes`);
    const dims = table.int32s(0);
    const open = table.int32s(7);
    const tensor = {
      index,
      name: table.text(3, 200) || `tensor ${index}`,
      dims: dims.map((d, k) => (open.length === dims.length && open[k] === -1 ? -1 : d)),
      type: TYPES[table.int8(1)],
      buffer: table.uint32(2),
      quantisation: quantisationOf(table.table(4), index),
      sparse: table.table(6) !== undefined,
    };
    this.#tensors.set(index, tensor);
    return tensor;
  }

  /** The numbers of a constant as bytes, little-endian; undefined for a tensor that is computed. */
  bytesOf({ buffer }: LiteTensor): Uint8Array | undefined {
    const table = this.#model.tableAt(4, buffer);
    if (!table) return undefined;
    // Of a file larger than a flatbuffer may be, weights lie behind it.
    const [offset, size] = [table.uint64(1), table.uint64(2)];
    if (offset > 1) {
      if (!(offset + size <= this.#bytes.length)) throw new RangeError("weights end behind the file");
      return this.#bytes.subarray(offset, offset + size);
    }
    const bytes = table.bytes(0);
    return bytes?.length ? bytes : undefined;
  }

  /** In the order in which they are computed. */
  *operators(): Generator<LiteOperator> {
    const codes = new Map<number, { kind: string; custom: boolean }>();
    let named = 0;
    for (let k = 0; k < this.#graph.lengthOf(3); k++) {
      const table = this.#graph.tableAt(3, k)!;
      const index = table.uint32(0);
      const code = codes.get(index) ?? this.#code(index);
      codes.set(index, code);
      const [inputs, outputs] = [operands(table, 1), operands(table, 2)];
      named += inputs.length + outputs.length;
      if (named > MAX_ALL_OPERANDS) refuse(`its operators have more than ${MAX_ALL_OPERANDS} inputs and outputs`);
      yield { ...code, inputs, outputs, options: table.table(4) };
    }
  }

  #code(index: number): { kind: string; custom: boolean } {
    const table = this.#model.tableAt(1, index) ?? refuse(`it names an operator ${index} that it does not list`);
    // Codes of up to 126 stand in a field of their own, where older files have nothing else.
    const code = Math.max(table.int8(0), table.int32(3));
    if (code === CUSTOM) return { kind: table.text(1, 200) || "CUSTOM", custom: true };
    return { kind: OPERATOR_NAMES[code] ?? `number ${code}`, custom: false };
  }

  /** The names that the file gives to its outputs for those who call it. */
  signatureNames(): Map<number, string> {
    const signature = this.#model.tableAt(7, 0);
    const isRead = signature?.uint32(4) === 0 && signature.lengthOf(1) <= MAX_OPERANDS;
    return new Map(
      (isRead ? signature.tables(1, MAX_OPERANDS) : []).map((entry) => [entry.uint32(1), entry.text(0, 200) ?? ""]),
    );
  }

  /** What the file says beside its network, by its name. */
  metadata(name: string): Uint8Array | undefined {
    const count = Math.min(this.#model.lengthOf(6), MAX_OPERANDS);
    for (let k = 0; k < count; k++) {
      const entry = this.#model.tableAt(6, k)!;
      if (entry.text(0, 200) === name) return this.#model.tableAt(4, entry.uint32(1))?.bytes(0);
    }
    return undefined;
  }
}

function bounded(table: FlatTable, field: number, most: number, what: string): void {
  const count = table.lengthOf(field);
  if (count > most)
    throw new ModelError(
      "model-size",
      `the model has ${count} ${what}, and up to ${most} are read; give the file of a classifier`,
    );
}

function operands(table: FlatTable, field: number): number[] {
  bounded(table, field, MAX_OPERANDS, "inputs or outputs at one place");
  return table.int32s(field);
}

function quantisationOf(table: FlatTable | undefined, index: number): Quantisation | undefined {
  if (!table || table.lengthOf(2) === 0) return undefined;
  if (table.uint8(4) > 1) refuse(`its tensor ${index} is quantised in blocks, which is not supported`);
  if (table.lengthOf(2) > MAX_SCALES || table.lengthOf(3) > MAX_SCALES)
    refuse(`its tensor ${index} has more than ${MAX_SCALES} scales`);
  const scales = table.float32s(2);
  // A converter that has found no range writes a scale of 0.
  if (scales.every((s) => s === 0)) return undefined;
  return { scales, zeroPoints: table.int64s(3), axis: table.int32(6) };
}
