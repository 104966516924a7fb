import { numberAttribute, type OnnxNode, textAttribute } from "./onnx-reader.js";
import { broadcastDims, broadcastIndex, normaliseAxis, sizeOf, type Tensor } from "./tensor.js";

/** erf by its series `2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1))`: all terms have one sign, so nothing cancels. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

type Unary = (node: OnnxNode, inputs: (Tensor | undefined)[]) => (x: number) => number;
const plain =
  (f: (x: number) => number): Unary =>
  () =>
    f;
const withAlpha =
  (byDefault: number, f: (x: number, alpha: number) => number): Unary =>
  (node) => {
    const alpha = numberAttribute(node, "alpha", byDefault);
    return (x) => f(x, alpha);
  };

/** Bounds of a Clip: inputs since opset 11, attributes before. */
export const clipBounds = (node: OnnxNode, [, low, high]: (Tensor | undefined)[]): [number, number] => [
  low?.data[0] ?? numberAttribute(node, "min", Number.NEGATIVE_INFINITY),
  high?.data[0] ?? numberAttribute(node, "max", Number.POSITIVE_INFINITY),
];

/** To the nearest whole number; halves to the even one. */
function toEven(v: number): number {
  const down = Math.floor(v);
  if (v - down !== 0.5) return Math.round(v);
  return down % 2 === 0 ? down : down + 1;
}

const gelu: Unary = (node) =>
  textAttribute(node, "approximate", "none") === "tanh"
    ? (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    : (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));

const selu: Unary = (node) => {
  const alpha = numberAttribute(node, "alpha", 1.6732631921768188);
  const gamma = numberAttribute(node, "gamma", 1.0507010221481323);
  return (x) => gamma * (x > 0 ? x : alpha * Math.expm1(x));
};

/** Rising functions of one tensor. PRelu, whose slope is a tensor, is in BINARY. */
export const ACTIVATIONS: Record<string, Unary> = {
  Relu: plain((x) => Math.max(x, 0)),
  LeakyRelu: withAlpha(0.01, (x, alpha) => (x < 0 ? alpha * x : x)),
  ThresholdedRelu: withAlpha(1, (x, alpha) => (x > alpha ? x : 0)),
  Elu: withAlpha(1, (x, alpha) => (x < 0 ? alpha * Math.expm1(x) : x)),
  Celu: withAlpha(1, (x, alpha) => Math.max(x, 0) + Math.min(0, alpha * Math.expm1(x / alpha))),
  Selu: selu,
  Swish: withAlpha(1, (x, alpha) => x * sigmoid(alpha * x)),
  Gelu: gelu,
  Mish: plain((x) => x * Math.tanh(softplus(x))),
  HardSwish: plain((x) => x * clamp(x / 6 + 0.5, 0, 1)),
  HardSigmoid: (node) => {
    const beta = numberAttribute(node, "beta", 0.5);
    const alpha = numberAttribute(node, "alpha", 0.2);
    return (x) => clamp(alpha * x + beta, 0, 1);
  },
  Sigmoid: plain(sigmoid),
  Tanh: plain(Math.tanh),
  Softplus: plain(softplus),
  Softsign: plain((x) => x / (1 + Math.abs(x))),
  Erf: plain(erf),
  // No operator of ONNX: what QuantizeLinear and DequantizeLinear do to a tensor together.
  Rounding: (node) => {
    const [scale, low, high] = ["scale", "low", "high"].map((name) => numberAttribute(node, name, Number.NaN)) as [
      number,
      number,
      number,
    ];
    return (x) => clamp(toEven(x / scale), low, high) * scale;
  },
  Clip: (node, inputs) => {
    const [low, high] = clipBounds(node, inputs);
    return (x) => clamp(x, low, high);
  },
};

/** Functions of one tensor that are known only as a part of something (or of shape arithmetic). */
const PARTS: Record<string, Unary> = {
  Neg: plain((x) => -x),
  Exp: plain(Math.exp),
  Log: plain(Math.log),
  Sqrt: plain(Math.sqrt),
  Abs: plain(Math.abs),
  Floor: plain(Math.floor),
  Ceil: plain(Math.ceil),
  Reciprocal: plain((x) => 1 / x),
  IsNaN: plain((x) => (Number.isNaN(x) ? 1 : 0)),
  Sin: plain(Math.sin),
  Cos: plain(Math.cos),
};

export const UNARY: Record<string, Unary> = { ...ACTIVATIONS, ...PARTS };

export const BINARY: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sum: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Equal: (a, b) => (a === b ? 1 : 0),
  Max: Math.max,
  Min: Math.min,
  PRelu: (x, slope) => (x < 0 ? slope * x : x),
};

/** Any number of inputs, broadcast together. */
export function combine(op: string, inputs: readonly Tensor[]): Tensor {
  const dims = broadcastDims(inputs.map((t) => t.dims));
  const sources = inputs.map((t) => broadcastIndex(t.dims, dims));
  const f = BINARY[op]!;
  const at = (k: number, j: number): number => inputs[k]!.data[sources[k]![j]!]!;
  const data = Float64Array.from({ length: sizeOf(dims) }, (_, j) => {
    let value = at(0, j);
    for (let k = 1; k < inputs.length; k++) value = f(value, at(k, j));
    return value;
  });
  return { dims, data };
}

/** `γ / √(variance + ε)` and the shift of a batch norm, per channel. */
export function batchNormFactors(node: OnnxNode, inputs: (Tensor | undefined)[]) {
  const [, gamma, beta, mean, variance] = inputs.map((t) => t?.data);
  const epsilon = numberAttribute(node, "epsilon", 1e-5);
  const scale = gamma!.map((g, c) => g / Math.sqrt(variance![c]! + epsilon));
  return { scale, shift: beta!.map((b, c) => b - mean![c]! * scale[c]!) };
}

export function softmax(input: Tensor, axis: number): Float64Array {
  const length = input.dims[axis]!;
  const inner = sizeOf(input.dims.slice(axis + 1));
  const p = new Float64Array(input.data.length);
  for (let start = 0; start < p.length; start++) {
    if (Math.floor(start / inner) % length !== 0) continue;
    const members = Array.from({ length }, (_, k) => start + k * inner);
    const top = Math.max(...members.map((i) => input.data[i]!));
    const total = members.reduce((sum, i) => sum + Math.exp(input.data[i]! - top), 0);
    for (const i of members) p[i] = Math.exp(input.data[i]! - top) / total;
  }
  return p;
}

export function layerNorm(node: OnnxNode, [x, gamma, beta]: (Tensor | undefined)[]): Tensor {
  const axis = normaliseAxis(numberAttribute(node, "axis", -1), x!.dims.length);
  const epsilon = numberAttribute(node, "epsilon", 1e-5);
  const length = sizeOf(x!.dims.slice(axis));
  const g = broadcastIndex(gamma!.dims, x!.dims);
  const b = beta && broadcastIndex(beta.dims, x!.dims);
  const data = new Float64Array(x!.data.length);
  for (let start = 0; start < data.length; start += length) {
    const row = x!.data.subarray(start, start + length);
    const mean = row.reduce((sum, v) => sum + v, 0) / length;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / length;
    row.forEach((v, k) => {
      const i = start + k;
      data[i] = ((v - mean) / Math.sqrt(variance + epsilon)) * gamma!.data[g[i]!]! + (b ? beta.data[b[i]!]! : 0);
    });
  }
  return { dims: [...x!.dims], data };
}

/** Instance norm is group norm with a group for each channel; γ and β a channel, or a group in old GroupNormalization. */
export function groupNorm(node: OnnxNode, [x, gamma, beta]: (Tensor | undefined)[]): Tensor {
  const [batch, channels] = x!.dims as [number, number];
  const groups = node.op === "InstanceNormalization" ? channels : numberAttribute(node, "num_groups", 1);
  const epsilon = numberAttribute(node, "epsilon", 1e-5);
  const length = x!.data.length / (batch * groups);
  const plane = x!.data.length / (batch * channels);
  const data = new Float64Array(x!.data.length);
  for (let start = 0; start < data.length; start += length) {
    const row = x!.data.subarray(start, start + length);
    const mean = row.reduce((sum, v) => sum + v, 0) / length;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / length;
    row.forEach((v, k) => {
      const c = normChannel(start + k, plane, channels, gamma!.data.length);
      data[start + k] = ((v - mean) / Math.sqrt(variance + epsilon)) * gamma!.data[c]! + beta!.data[c]!;
    });
  }
  return { dims: [...x!.dims], data };
}

/** The elements that a norm takes together, each a run of its input. */
export function normGroups(node: OnnxNode, x: Tensor): Float64Array[] {
  if (node.op === "LRN") return [];
  const [batch, channels] = x.dims as [number, number];
  const groups = node.op === "InstanceNormalization" ? channels : numberAttribute(node, "num_groups", 1);
  const length =
    node.op === "LayerNormalization"
      ? sizeOf(x.dims.slice(normaliseAxis(numberAttribute(node, "axis", -1), x.dims.length)))
      : x.data.length / (batch * groups);
  return Array.from({ length: x.data.length / length }, (_, k) => x.data.subarray(k * length, (k + 1) * length));
}

/** Which of `factors` numbers belongs to element `i`: one a channel, or one a group of channels. */
export const normChannel = (i: number, plane: number, channels: number, factors: number): number =>
  Math.floor(((Math.floor(i / plane) % channels) * factors) / channels);

export function localResponse(node: OnnxNode, [x]: (Tensor | undefined)[]): Tensor {
  const [, channels] = x!.dims as [number, number];
  const size = numberAttribute(node, "size", 1);
  const alpha = numberAttribute(node, "alpha", 1e-4);
  const beta = numberAttribute(node, "beta", 0.75);
  const bias = numberAttribute(node, "bias", 1);
  const plane = sizeOf(x!.dims.slice(2));
  const data = x!.data.map((v, i) => {
    const c = Math.floor(i / plane) % channels;
    let sum = 0;
    const first = Math.max(0, c - Math.floor((size - 1) / 2));
    const last = Math.min(channels - 1, c + Math.ceil((size - 1) / 2));
    for (let k = first; k <= last; k++) sum += x!.data[i + (k - c) * plane]! ** 2;
    return v / (bias + (alpha / size) * sum) ** beta;
  });
  return { dims: [...x!.dims], data };
}
