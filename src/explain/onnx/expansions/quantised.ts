import { type AttributeProto, ElementType } from "../../proto/onnx.js";
import { type Constant, typeOf } from "../tensor.js";
import type { Expansion, Writer } from "./writer.js";

/** Operators on whole numbers as what they stand for: dequantised, computed, quantised again. */

type Attributes = Parameters<Writer["op"]>[2];

/** Operands `from`, `from + 1` and `from + 2` of a node: whole numbers, their scale and zero point. */
function values(w: Writer, from: number, attributes: Attributes = {}): string {
  return w.op("DequantizeLinear", given(w, [from, from + 1, from + 2]), attributes);
}

const given = (w: Writer, indices: readonly number[]): string[] => indices.map((k) => w.input(k) ?? "");

/** The result by the scale and zero point that are operands `from` and `from + 1`. */
const result = (w: Writer, value: string, from: number): string =>
  w.op("QuantizeLinear", [value, ...given(w, [from, from + 1])], {}, w.node.outputs[0]);

/** The attributes that stay as they are. */
function keep(w: Writer, ...names: readonly string[]): void {
  w.nodes.at(-1)!.attribute!.push(...w.node.attributes.filter((a: AttributeProto) => names.includes(a.name)));
}

const WINDOW = ["auto_pad", "ceil_mode", "count_include_pad", "dilations", "group", "kernel_shape", "pads", "strides"];

/** Computes on channels first what a node has with channels last. */
function channelsFirst(
  w: Writer,
  x: string,
  compute: (x: string) => string,
  isLast = w.node.int("channels_last", 0) === 1,
): string {
  if (!isLast) return compute(x);
  const rank = w.dims(0).length;
  const rest = Array.from({ length: rank - 2 }, (_, k) => k);
  const first = w.op("Transpose", [x], { perm: [0, rank - 1, ...rest.map((k) => k + 1)] });
  return w.op("Transpose", [compute(first)], { perm: [0, ...rest.map((k) => k + 2), 1] });
}

/** A max pool of whole numbers with channels last. */
export const NhwcMaxPool: Expansion = (w) => {
  const pool = (x: string): string => {
    const made = w.op("MaxPool", [x]);
    keep(w, ...WINDOW);
    return made;
  };
  w.op("Identity", [channelsFirst(w, w.needed(0), pool, true)], {}, w.node.outputs[0]);
};

/** A constant of scales, times others. */
function product(w: Writer, a: Constant, b: Constant, times = 1): string {
  const [long, short] = a.data.length >= b.data.length ? [a, b] : [b, a];
  if (short.data.length !== 1 && short.data.length !== long.data.length)
    w.importer.refuse(w.node, `its scales are ${a.data.length} and ${b.data.length}, which do not fit each other`);
  const data = Float32Array.from(
    long.data,
    (v, k) => Math.fround(v * short.data[short.data.length === 1 ? 0 : k]!) * times,
  );
  return w.numbers([data.length], data);
}

/** A bias of whole numbers, whose scale is the product of those of the input and the weight. */
function biasOf(w: Writer, index: number, scales: readonly [number, number], times = 1): string[] {
  const bias = w.input(index);
  if (bias === undefined) return [];
  const [a, b] = scales.map((k) => w.importer.weight(w.node, k, "scale")) as [Constant, Constant];
  return [w.op("DequantizeLinear", [bias, product(w, a, b, times)], { axis: 0 })];
}

export const QLinearConv: Expansion = (w) => {
  const weight = values(w, 3, { axis: 0 });
  const bias = biasOf(w, 8, [1, 4]);
  const y = channelsFirst(w, values(w, 0), (x) => {
    const conv = w.op("Conv", [x, weight, ...bias]);
    keep(w, ...WINDOW);
    return conv;
  });
  result(w, y, 6);
};

export const QLinearMatMul: Expansion = (w) => {
  result(w, w.op("MatMul", [values(w, 0, { axis: -1 }), values(w, 3, { axis: -1 })]), 6);
};

/** `alpha · A · B + C`; quantised where a scale for it is given. */
export const QGemm: Expansion = (w) => {
  const bias = biasOf(w, 6, [1, 4], w.node.float("alpha", 1));
  const weight = values(w, 3, { axis: w.node.int("transB", 0) ? 0 : 1 });
  const quantises = w.input(7) !== undefined;
  const y = w.op("Gemm", [values(w, 0), weight, ...bias], {}, quantises ? undefined : w.node.outputs[0]);
  keep(w, "alpha", "transA", "transB");
  if (quantises) result(w, y, 7);
};

/** Two tensors, element by element. */
export const qLinearPair =
  (op: string): Expansion =>
  (w) =>
    void result(w, w.op(op, [values(w, 0), values(w, 3)]), 6);

/** One tensor; the attributes named stay. */
export const qLinearOne =
  (op: string, ...names: readonly string[]): Expansion =>
  (w) => {
    const y = channelsFirst(w, values(w, 0), (x) => {
      const made = w.op(op, [x]);
      keep(w, ...names);
      return made;
    });
    result(w, y, 3);
  };

export const QLinearAveragePool: Expansion = qLinearOne("AveragePool", ...WINDOW);

export const QLinearReduceMean: Expansion = (w) => {
  const { node, importer } = w;
  const axes =
    node.ints("axes") ??
    (w.input(5) ? Array.from(importer.weight(node, 5, "axes").data) : undefined) ??
    importer.refuse(node, "it takes the mean over all axes, the batch among them");
  const x = values(w, 0);
  const keepdims = node.int("keepdims", 1);
  const y =
    importer.opset < 18
      ? w.op("ReduceMean", [x], { axes, keepdims })
      : w.op("ReduceMean", [x, w.ints(axes)], { keepdims });
  result(w, y, 3);
};

export const QLinearConcat: Expansion = (w) => {
  const count = Math.floor((w.node.inputs.length - 2) / 3);
  const parts = Array.from({ length: count }, (_, k) => values(w, 2 + 3 * k));
  result(w, w.op("Concat", parts, { axis: w.node.int("axis", 1) }), 0);
};

/** `A · B` where A is quantised while the model runs and B is a constant. */
export const DynamicQuantizeMatMul: Expansion = (w) => {
  const { name, shown } = w.node;
  const parts = ["whole", "scale", "zero"].map((part) => `${w.node.outputs[0]}//${part}`);
  w.nodes.push({ opType: "DynamicQuantizeLinear", name, shown, input: [w.needed(0)], output: parts });
  toFloat(w, w.op("DequantizeLinear", parts), weightOf(w, 1, 2, 3), 4);
};

/** The same where A is quantised already. */
export const MatMulIntegerToFloat: Expansion = (w) => {
  const a = w.op("DequantizeLinear", [w.needed(0), w.needed(2), w.input(4) ?? ""]);
  toFloat(w, a, weightOf(w, 1, 3, 5), 6);
};

const weightOf = (w: Writer, ...operands: readonly [number, number, number]): string =>
  w.op("DequantizeLinear", given(w, operands), { axis: -1 });

function toFloat(w: Writer, a: string, b: string, bias: number): void {
  const added = w.input(bias);
  const product = w.op("MatMul", [a, b], {}, added ? undefined : w.node.outputs[0]);
  if (added) w.op("Add", [product, added], {}, w.node.outputs[0]);
}

/**
 * A sum of products of whole numbers: of what the input stands for, with the weights as they are. Where the input's scale is known
 * it is taken off the weights, else the result waits for it.
 */
const integerSum =
  (op: "Conv" | "MatMul"): Expansion =>
  (w) => {
    const { node, importer } = w;
    const [name, output] = [w.needed(0), node.outputs[0]!];
    const weight = importer.weight(node, 1, "weight");
    const zero = node.inputs[3] ? importer.weight(node, 3, "zero point") : undefined;
    const fixed = importer.whole.get(name);
    const zeroName = w.input(2);
    const isDynamic = importer.frameScales.whole.has(name);
    if (isDynamic && importer.frameScales.zeros.get(zeroName ?? "") !== name)
      importer.refuse(node, "its zero point is not that of its input");
    if (!isDynamic && !fixed) importer.refuse(node, "its input is not known to be of whole numbers");
    const least = zeroName === undefined || isDynamic ? 0 : importer.weight(node, 2, "zero point").data[0]!;
    const data = Float32Array.from(weight.data, taken(w, weight, zero, op === "Conv" ? 0 : weight.dims.length - 1));
    if (fixed) for (let k = 0; k < data.length; k++) data[k] = data[k]! / fixed.scale;
    importer.budget.take(importer, node, data.length);
    importer.weightTypes.add(typeOf(weight));
    const x = importer.call(`${output}//x`, importer.view(node, 0));
    // What stands for 0 is the zero point of the input: numbers that stand for themselves have another.
    const offset = fixed ? (fixed.zero - least) * fixed.scale : 0;
    const shifted = offset === 0 ? x : w.op("Add", [x, w.number(offset)]);
    w.op(op, [shifted, w.numbers(weight.dims, data)], {}, output);
    if (op === "Conv") keep(w, ...WINDOW);
    if (fixed) importer.whole.set(output, { scale: 1, zero: 0, type: ElementType.int32 });
    else importer.frameScales.waiting.set(output, name);
  };

/** The weights without their zero points, of which there may be one for each place along an axis. */
function taken(
  w: Writer,
  weight: Constant,
  zero: Constant | undefined,
  axis: number,
): (v: number, at: number) => number {
  if (!zero) return (v) => v;
  if (zero.data.length === 1) return (v) => v - zero.data[0]!;
  const length = weight.dims[axis]!;
  const inner = weight.dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  if (zero.data.length !== length)
    w.importer.refuse(w.node, `it has ${zero.data.length} zero points for ${length} outputs`);
  return (v, at) => v - zero.data[Math.floor(at / inner) % length]!;
}

export const ConvInteger: Expansion = integerSum("Conv");
export const MatMulInteger: Expansion = integerSum("MatMul");

/** A matrix `[K, N]` whose numbers of a few bits lie in blocks of its columns, each with its scale. */
export const MatMulNBits: Expansion = (w) => {
  const { node, importer } = w;
  if (w.input(4)) importer.refuse(node, "its columns are in another order (g_idx), which is not known");
  const [columns, rows] = [node.int("N", 0), node.int("K", 0)];
  const [bits, block] = [node.int("bits", 4), node.int("block_size", 32)];
  if (![2, 4, 8].includes(bits) || !(block >= 16) || block % (8 / bits) !== 0)
    importer.refuse(node, `its weights have ${bits} bits in blocks of ${block}, and 2, 4 or 8 bits are known`);
  const packed = importer.weight(node, 1, "weight").data;
  const scale = importer.weight(node, 2, "scale").data;
  const zero = w.input(3) ? importer.weight(node, 3, "zero point") : undefined;
  const blocks = Math.ceil(rows / block);
  const perByte = 8 / bits;
  const zeroBytes = Math.ceil(blocks / perByte);
  const zeros = zero && (zero.integer ? columns * zeroBytes : columns * blocks);
  const misfit = packed.length !== (columns * blocks * block) / perByte || scale.length !== columns * blocks;
  if (misfit || (zero && zero.data.length !== zeros))
    importer.refuse(node, `its weights, scales and zero points do not fit a matrix of ${rows} by ${columns}`);
  importer.budget.take(importer, node, rows * columns);
  importer.weightTypes.add(bits === 4 ? ElementType.uint4 : ElementType.uint8);
  const part = (bytes: ArrayLike<number>, row: number, bytesPerRow: number, at: number): number =>
    (bytes[row * bytesPerRow + Math.floor(at / perByte)]! >> (bits * (at % perByte))) & (2 ** bits - 1);
  const data = new Float32Array(rows * columns);
  for (let n = 0; n < columns; n++)
    for (let k = 0; k < rows; k++) {
      const b = Math.floor(k / block);
      const middle = zero
        ? zero.integer
          ? part(zero.data, n, zeroBytes, b)
          : zero.data[n * blocks + b]!
        : 2 ** (bits - 1);
      data[k * columns + n] = (part(packed, n, (blocks * block) / perByte, k) - middle) * scale[n * blocks + b]!;
    }
  toFloat(w, w.needed(0), w.numbers([rows, columns], data), 5);
};
