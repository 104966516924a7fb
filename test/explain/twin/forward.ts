import {
  BINARY,
  batchNormFactors,
  combine,
  groupNorm,
  layerNorm,
  localResponse,
  softmax,
  UNARY,
} from "./elementwise.js";
import { LINEAR, type LinearLayer, linearForward, linearName, MAX_POOLS, maxPoolWindows } from "./linear.js";
import { matrixProduct } from "./matrix-product.js";
import { MOVES, type Origin } from "./moves.js";
import { numberAttribute, type OnnxModel, type OnnxNode } from "./onnx-reader.js";
import { normaliseAxis, type Tensor, tensor } from "./tensor.js";

/** Every tensor of one pass over one frame, and what the backward pass needs to know of the layers. */
export interface Forward {
  model: OnnxModel;
  /** The image's tensor name. */
  image: string;
  values: Map<string, Tensor>;
  /** Names of the tensors that depend on the image's pixels (not only on its shape). */
  live: Set<string>;
  layers: Map<OnnxNode, LinearLayer>;
  moves: Map<OnnxNode, Origin[]>;
  pools: Map<OnnxNode, ReturnType<typeof maxPoolWindows>>;
}

/** Runs one frame; with `part`, just these nodes, constants as they were in an earlier run. */
export function runForward(
  model: OnnxModel,
  frame: Tensor,
  part?: { nodes: ReadonlySet<OnnxNode>; known: Forward },
): Forward {
  const image = model.inputs[0]!.name;
  const known = [...(part?.known.values ?? model.initializers)];
  const values = new Map(known.filter(([name]) => !part?.known.live.has(name)));
  values.set(image, frame);
  const run: Forward = {
    model,
    image,
    values,
    live: new Set([image]),
    layers: new Map(),
    moves: new Map(),
    pools: new Map(),
  };
  for (const node of model.nodes) {
    const isLive = !ASKING.has(node.op) && node.inputs.some((name) => run.live.has(name));
    if (isLive) for (const name of node.outputs) run.live.add(name);
    if (part && !part.nodes.has(node)) continue;
    const results = evaluate(
      run,
      node,
      node.inputs.map((name) => values.get(name)),
    );
    node.outputs.forEach((name, k) => {
      if (name !== "" && results[k]) values.set(name, results[k]);
    });
  }
  return run;
}

/** Operators of whose results relevance takes no part. */
const ASKING = new Set(["Shape", "Size", "IsNaN"]);

export const liveInputs = (run: Forward, node: OnnxNode): string[] => node.inputs.filter((name) => run.live.has(name));

const isLinear = (run: Forward, node: OnnxNode): boolean =>
  linearName(node) in LINEAR && run.live.has(node.inputs[0]!) && liveInputs(run, node).length === 1;

function evaluate(run: Forward, node: OnnxNode, inputs: (Tensor | undefined)[]): Tensor[] {
  const x = inputs[0];
  if (isLinear(run, node) || (linearName(node) in LINEAR && liveInputs(run, node).length === 0)) {
    const layer = LINEAR[linearName(node)]!(node, inputs);
    run.layers.set(node, layer);
    return [{ dims: layer.outDims, data: linearForward(layer, x!.data) }];
  }
  if (node.op in MOVES) {
    const origins = MOVES[node.op]!(node, inputs, node.outputs.length);
    run.moves.set(node, origins);
    return origins.map(({ dims, from, at, fill }) => ({
      dims,
      data: Float64Array.from(at, (i, j) => (i < 0 ? fill : inputs[from[j]!]!.data[i]!)),
    }));
  }
  if (MAX_POOLS.has(node.op)) {
    const pool = maxPoolWindows(node, inputs);
    run.pools.set(node, pool);
    return [{ dims: pool.outDims, data: Float64Array.from(pool.windows, (members) => highest(x!.data, members)) }];
  }
  if (node.op in UNARY) return [{ dims: [...x!.dims], data: x!.data.map(UNARY[node.op]!(node, inputs)) }];
  if (node.op in BINARY) return [combine(node.op, inputs as Tensor[])];
  if (node.op === "MatMul") return [matrixProduct(inputs[0]!, inputs[1]!)];
  const special = SPECIAL[node.op];
  if (!special) throw new Error(`node "${node.name}": operator ${node.op} is not known`);
  return [special(node, inputs)];
}

export function highest(data: Float64Array, members: readonly number[]): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const i of members) if (data[i]! > top) top = data[i]!;
  return top;
}

/** `f` of what `before` makes of each element, summed. */
const sumOf =
  (before: (v: number) => number, f: (v: number) => number) =>
  (node: OnnxNode, inputs: (Tensor | undefined)[]): Tensor => {
    const layer = LINEAR.ReduceSum!(node, inputs);
    return { dims: layer.outDims, data: linearForward(layer, inputs[0]!.data.map(before)).map(f) };
  };

const SPECIAL: Record<string, (node: OnnxNode, inputs: (Tensor | undefined)[]) => Tensor> = {
  BatchNormalization: (node, inputs) => {
    const x = inputs[0]!;
    const { scale, shift } = batchNormFactors(node, inputs);
    const plane = x.data.length / (x.dims[0]! * x.dims[1]!);
    const channel = (i: number): number => Math.floor(i / plane) % x.dims[1]!;
    return { dims: [...x.dims], data: x.data.map((v, i) => v * scale[channel(i)]! + shift[channel(i)]!) };
  },
  LayerNormalization: layerNorm,
  InstanceNormalization: groupNorm,
  GroupNormalization: groupNorm,
  LRN: localResponse,
  ReduceL1: sumOf(Math.abs, (v) => v),
  ReduceL2: sumOf((v) => v * v, Math.sqrt),
  ReduceSumSquare: sumOf(
    (v) => v * v,
    (v) => v,
  ),
  Softmax: (node, [x]) => ({
    dims: [...x!.dims],
    data: softmax(x!, normaliseAxis(numberAttribute(node, "axis", -1), x!.dims.length)),
  }),
  LogSoftmax: (node, [x]) => ({
    dims: [...x!.dims],
    data: softmax(x!, normaliseAxis(numberAttribute(node, "axis", -1), x!.dims.length)).map(Math.log),
  }),
  Shape: (node, [x]) => {
    const dims = x!.dims.slice(numberAttribute(node, "start", 0), numberAttribute(node, "end", x!.dims.length));
    return tensor([dims.length], dims);
  },
  Size: (_node, [x]) => tensor([], [x!.data.length]),
  Constant: (node) => {
    for (const value of node.attributes.values()) {
      if (typeof value === "number") return tensor([], [value]);
      if (Array.isArray(value)) return tensor([value.length], value as number[]);
      if (typeof value === "object") return value;
    }
    throw new Error(`Constant "${node.name}" has no value that is read`);
  },
  ConstantOfShape: (node, [shape]) => {
    const value = (node.attributes.get("value") as Tensor | undefined)?.data[0] ?? 0;
    const result = tensor([...shape!.data]);
    result.data.fill(value);
    return result;
  },
  Range: (_node, [start, limit, step]) => {
    const n = Math.max(0, Math.ceil((limit!.data[0]! - start!.data[0]!) / step!.data[0]!));
    return tensor(
      [n],
      Array.from({ length: n }, (_, k) => start!.data[0]! + k * step!.data[0]!),
    );
  },
};
