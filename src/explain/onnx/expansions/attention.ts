import { BATCH } from "../batch.js";
import type { Expansion, Writer } from "./writer.js";

interface Heads {
  q: string;
  k: string;
  v: string;
  /** Added to the scores. */
  bias?: string;
  /** True where a score counts, each. */
  masks?: readonly string[];
  scale: number;
  softcap?: number;
}

/** `softmax(q kᵀ · scale + bias) · v` of `[N, heads, tokens, channels]`. */
function attention(w: Writer, { q, k, v, bias, masks = [], scale, softcap }: Heads, output?: string): string {
  const keys = w.op("Transpose", [k], { perm: [0, 1, 3, 2] });
  let scores = w.op("MatMul", [w.op("Mul", [q, w.number(scale)]), keys]);
  if (softcap) scores = w.op("Mul", [w.op("Tanh", [w.op("Mul", [scores, w.number(1 / softcap)])]), w.number(softcap)]);
  if (bias) scores = w.op("Add", [scores, bias]);
  for (const mask of masks) scores = w.op("Where", [mask, scores, w.number(Number.NEGATIVE_INFINITY)]);
  return w.op("MatMul", [w.op("Softmax", [scores], { axis: -1 }), v], {}, output);
}

/** `[N, tokens, heads · channels]` to `[N, heads, tokens, channels]`. */
const apart = (w: Writer, x: string, heads: number): string =>
  w.op("Transpose", [w.op("Reshape", [x, w.ints([0, 0, heads, -1])])], { perm: [0, 2, 1, 3] });

/** And back. */
const joined = (w: Writer, x: string): void =>
  void w.op("Reshape", [w.op("Transpose", [x], { perm: [0, 2, 1, 3] }), w.ints([0, 0, -1])], {}, w.node.outputs[0]);

/** 1 where a score counts: tokens that come later do not. */
function causal(w: Writer, rows: number, columns: number): string {
  w.importer.budget.take(w.importer, w.node, rows * columns);
  const data = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) data.fill(1, r * columns, r * columns + Math.min(r + 1, columns));
  return w.numbers([rows, columns], data);
}

function refuseLater(w: Writer, dims: readonly number[]): void {
  if (dims.some((d) => d % BATCH === 0)) w.importer.refuse(w.node, "the batch is among its tokens or channels");
}

/** The operator of opset 23, of three or four axes, keys and values perhaps in fewer heads than queries. */
export const Attention: Expansion = (w) => {
  const { node, importer } = w;
  w.refuseBeyond(4, 1);
  const rank = w.dims(0).length;
  if (rank !== 3 && rank !== 4) importer.refuse(node, `its queries have ${rank} axes, and 3 or 4 are known`);
  const dims = [0, 1].map((k) => w.dims(k));
  const [qDims, kDims] = dims as [number[], number[]];
  const heads = rank === 4 ? qDims[1]! : node.int("q_num_heads", 1);
  const shared = rank === 4 ? kDims[1]! : node.int("kv_num_heads", 1);
  const channels = rank === 4 ? qDims[3]! : qDims[2]! / heads;
  const [rows, columns] = [qDims.at(-2)!, kDims.at(-2)!];
  refuseLater(w, [rows, columns, channels, heads, shared]);
  if (!Number.isInteger(channels)) importer.refuse(node, `its ${qDims[2]} channels do not divide into ${heads} heads`);
  if (!(heads % shared === 0)) importer.refuse(node, `${shared} heads of keys do not serve ${heads} of queries`);
  const split = (index: number, count: number): string =>
    rank === 4 ? w.needed(index) : apart(w, w.needed(index), count);
  const repeated = (x: string): string => {
    if (heads === shared) return x;
    importer.budget.take(importer, node, 4 * heads);
    const picks = Array.from({ length: heads }, (_, k) => Math.floor((k * shared) / heads));
    return w.op("Gather", [x, w.ints(picks)], { axis: 1 });
  };
  const given = w.input(3);
  const isBoolean = given !== undefined && importer.constant(node, 3)?.integer === true;
  const earlier = node.int("is_causal", 0) === 1 ? [causal(w, rows, columns)] : [];
  const y = attention(
    w,
    {
      q: split(0, heads),
      k: repeated(split(1, shared)),
      v: repeated(split(2, shared)),
      bias: isBoolean ? undefined : given,
      masks: isBoolean ? [given, ...earlier] : earlier,
      scale: node.has("scale") ? node.float("scale", 1) : 1 / Math.sqrt(channels),
      softcap: node.float("softcap", 0),
    },
    rank === 4 ? node.outputs[0] : undefined,
  );
  if (rank === 3) joined(w, y);
};

function fused(w: Writer, [q, k, v]: readonly string[], channels: number, bias: string | undefined): void {
  const { node, importer } = w;
  if (node.int("unidirectional", 0)) importer.refuse(node, "it is causal, as a network of texts");
  if (node.int("do_rotary", 0)) importer.refuse(node, "it turns queries and keys by their places (do_rotary)");
  const heads = node.int("num_heads", 1);
  const scale = node.float("scale", 0) || 1 / Math.sqrt(channels / heads);
  const [qs, ks, vs] = [q!, k!, v!].map((x) => apart(w, x, heads)) as [string, string, string];
  joined(w, attention(w, { q: qs, k: ks, v: vs, bias, scale }));
}

/** onnxruntime's: queries, keys and values of three axes, one bias for all. */
export const MultiHeadAttention: Expansion = (w) => {
  const { node, importer } = w;
  w.refuseBeyond(6, 1);
  if (w.input(4)) importer.refuse(node, "it leaves keys out (key_padding_mask), as a network of texts");
  const dims = w.dims(0);
  if (dims.length !== 3 || !w.input(1) || !w.input(2) || w.dims(1).length !== 3)
    importer.refuse(node, "its queries, keys and values are packed, and three tensors of 3 axes are known");
  const bias = w.input(3);
  const channels = dims[2]!;
  const sizes = [channels, channels, w.dims(2)[2]!];
  const parts = bias ? w.split(bias, sizes) : [];
  const all = [0, 1, 2].map((k) => (bias ? w.op("Add", [w.needed(k), parts[k]!]) : w.needed(k)));
  fused(w, all, channels, w.input(5));
};

/** onnxruntime's, with the layer that makes queries, keys and values of one input. */
export const PackedAttention: Expansion = (w) => {
  const { node, importer } = w;
  w.refuseBeyond(6, 1);
  if (w.input(3) || w.input(4)) importer.refuse(node, "it has a mask or a past, as a network of texts");
  const weight = importer.weight(node, 1, "weight");
  const sizes = node.ints("qkv_hidden_sizes") ?? new Array<number>(3).fill(weight.dims[1]! / 3);
  const product = w.op("MatMul", [w.needed(0), w.needed(1)]);
  const bias = w.input(2);
  fused(w, w.split(bias ? w.op("Add", [product, bias]) : product, sizes), sizes[0]!, w.input(5));
};
