import { ModelError } from "../../errors.js";
import { allFinite, firstNotFinite } from "../onnx/finite.js";
import { type Constant, readTensor, size } from "../onnx/tensor.js";
import { dequantised } from "../quantisation.js";
import type { LiteModel, LiteTensor, Quantisation } from "./schema.js";

/** Numbers that all constants together may have for each byte of the file, and for one of a few bytes. */
const NUMBERS_PER_BYTE = 4;
const MIN_NUMBERS = 2 ** 22;

const noExternal = (): never => {
  throw new ModelError("model-external", "a tensor names a weights file");
};

/** The constants of a file, as the numbers that they stand for: those that are quantised are real numbers here. */
export class LiteConstants {
  readonly #model: LiteModel;
  readonly #read = new Map<number, Constant>();
  /** Many tensors can share a few bytes. */
  #left: number;

  constructor(model: LiteModel, fileBytes: number) {
    this.#model = model;
    this.#left = Math.max(MIN_NUMBERS, NUMBERS_PER_BYTE * fileBytes);
  }

  /**
   * Undefined for a tensor that is computed.
   * @throws ModelError where its bytes do not fit its dims, or its numbers are not finite
   */
  at(index: number): Constant | undefined {
    const known = this.#read.get(index);
    if (known) return known;
    const tensor = this.#model.tensor(index);
    const bytes = this.#model.bytesOf(tensor);
    if (!bytes && size(tensor.dims) !== 0) return undefined;
    const constant = this.#numbers(tensor, bytes ?? new Uint8Array(), tensor.quantisation);
    this.#read.set(index, constant);
    return constant;
  }

  /** A constant whose scales are not those that stand beside it, one for all or one an element. */
  scaled(index: number, scales: readonly number[]): Constant {
    const tensor = this.#model.tensor(index);
    return this.#numbers(tensor, this.#model.bytesOf(tensor) ?? new Uint8Array(), { scales, zeroPoints: [], axis: 0 });
  }

  #numbers(tensor: LiteTensor, bytes: Uint8Array, given: Quantisation | undefined): Constant {
    const { name, dims, type } = tensor;
    if (tensor.sparse)
      throw new ModelError(
        "model-type",
        `tensor "${name}" leaves out its zeros (sparse weights), which is not supported; convert the model without them`,
      );
    this.#left -= size(dims);
    if (!(this.#left >= 0))
      throw new ModelError("model-size", `tensor "${name}" stands for more numbers than the file has bytes for`);
    const held = readTensor({ name, dims: [...dims], dataType: type ?? -1, rawData: bytes }, noExternal);
    if (given && held.integer) {
      requireScales(tensor, given.scales.length, given.zeroPoints.length, given.axis);
      return finite({ dims: held.dims, data: realNumbers(held, given), integer: false }, name);
    }
    if (held.integer) return { dims: held.dims, data: Float64Array.from(held.data), integer: true };
    const data = held.data instanceof Float32Array ? held.data : Float32Array.from(held.data);
    return finite({ dims: held.dims, data, integer: false }, name);
  }
}

function requireScales({ name, dims }: LiteTensor, scales: number, zeroPoints: number, axis: number): void {
  if (zeroPoints > 1 && zeroPoints !== scales) misfit();
  if (scales !== 1 && dims[axis] !== scales) misfit();
  function misfit(): never {
    throw new ModelError(
      "model-corrupt",
      `tensor "${name}" of dims [${dims.join(", ")}] has ${scales} scales and ${zeroPoints} zero points along its axis ${axis}; convert the model again`,
    );
  }
}

function realNumbers({ data, dims }: Constant, { scales, zeroPoints, axis }: Quantisation): Float32Array {
  const zero = zeroPoints.length === 1 ? scales.map(() => zeroPoints[0]!) : zeroPoints;
  return dequantised(data, dims, { scale: scales, zero, axis, block: 1 });
}

function finite(constant: Constant, name: string): Constant {
  if (allFinite(constant.data)) return constant;
  const { value, at } = firstNotFinite(constant.data);
  throw new ModelError(
    "model-weights",
    `weight "${name}" holds ${value} at position ${at}, and no score would be a number; convert the model again from finite weights`,
  );
}
