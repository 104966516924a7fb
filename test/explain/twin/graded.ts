/** What the twin of `r-lrp-graded` and `r-lrp-local` asks of a network, beside what every method does. */
import { clipBounds } from "./elementwise.js";
import { type Forward, liveInputs } from "./forward.js";
import { linearName, MAX_POOLS, reducedAxes } from "./linear.js";
import { normalisedBy } from "./norms.js";
import { listAttribute, type OnnxNode } from "./onnx-reader.js";
import { isSubtracted, oneToOneSource, type Structure } from "./structure.js";

const POOLS = new Set(["AveragePool", "GlobalAveragePool", "ReduceMean", "interpolation"]);
const COPIES = new Set(["Identity", "Dropout", "Cast", "Transpose", "Rounding"]);

/** ReLU, or a clip that begins at 0 or above. */
function cuts(run: Forward, node: OnnxNode): boolean {
  if (node.op === "Relu") return true;
  return (
    node.op === "Clip" &&
    clipBounds(
      node,
      node.inputs.map((name) => run.values.get(name)),
    )[0] >= 0
  );
}

const isSum = (run: Forward, node: OnnxNode): boolean =>
  ["Add", "Sum"].includes(node.op) && node.inputs.length > 1 && liveInputs(run, node).length === node.inputs.length;

/** Of a difference, what something is subtracted from, or a layer that is subtracted and so read as its negative. */
const isTerm = (run: Forward, structure: Structure, node: OnnxNode, name: string): boolean =>
  node.op === "Sub" &&
  liveInputs(run, node).length === 2 &&
  (node.inputs[1] !== name || isSubtracted(run, structure, name));

/** Whether a tensor cannot be negative: behind a ReLU, clip or sigmoid, and pools, sums, concats and moves of such. */
export function isNonNegative(run: Forward, structure: Structure, name: string): boolean {
  const node = structure.producer.get(name);
  if (!node) return false;
  const all = (): boolean => liveInputs(run, node).every((input) => isNonNegative(run, structure, input));
  if (cuts(run, node) || ["Sigmoid", "HardSigmoid"].includes(node.op)) return true;
  if (run.moves.has(node))
    return run.moves.get(node)!.every(({ at, fill }) => fill >= 0 || at.every((i) => i >= 0)) && all();
  return (node.op === "Rounding" || MAX_POOLS.has(node.op) || POOLS.has(linearName(node)) || isSum(run, node)) && all();
}

/** Whether only ReLU or a clip at 0 or above reads a tensor, or only sums that are only read so. */
export function isRectified(run: Forward, structure: Structure, name: string): boolean {
  const reading = run.model.nodes.filter((node) => node.inputs.includes(name));
  if (reading.length === 0 || name === structure.logits || run.model.outputs.includes(name)) return false;
  return reading.every(
    (node) =>
      cuts(run, node) ||
      ((COPIES.has(node.op) || isSum(run, node) || isTerm(run, structure, node, name)) &&
        isRectified(run, structure, node.outputs[0]!)),
  );
}

/** Along height and width: the pixels that an element sees, and how many pixels its neighbour is away. */
type View = [seen: number, jump: number][];

/** The share of the picture's side that an element of a tensor sees, 1 at most. */
export function seenShare(run: Forward, structure: Structure, name: string): number {
  const sides = run.values.get(run.image)!.dims.slice(2);
  const seen = viewOf(run, structure, name).map(([field], axis) => field / (sides[axis] ?? 1));
  return Math.min(1, Math.max(...seen));
}

function viewOf(run: Forward, structure: Structure, name: string): View {
  const node = structure.producer.get(name);
  const whole: View = [
    [Infinity, 1],
    [Infinity, 1],
  ];
  if (!node)
    return [
      [1, 1],
      [1, 1],
    ];
  const { op } = node;
  const dims = run.values.get(node.outputs[0]!)!.dims;
  if (["Gemm", "MatMul", "GlobalAveragePool", "GlobalMaxPool", "ReduceMax"].includes(op)) return whole;
  if (op === "ReduceMean" || op === "ReduceSum") {
    const inputs = node.inputs.map((input) => run.values.get(input));
    if (reducedAxes(node, inputs).join() !== "1" || inputs[0]!.dims.length !== 4) return whole;
  }
  if (["Reshape", "Flatten", "Squeeze", "Unsqueeze"].includes(op) && dims.length === 2) return whole;
  const norm = normalisedBy(run, structure, node);
  if (norm?.centred) return viewOf(run, structure, norm.x);
  const isProduct = ["Mul", "Div"].includes(op) && liveInputs(run, node).length === 2;
  if (isProduct && oneToOneSource(run, structure, node) === undefined) return whole;
  const below = liveInputs(run, node).map((input) => viewOf(run, structure, input));
  const view = [0, 1].map((axis): View[number] => [
    Math.max(...below.map((v) => v[axis]![0])),
    Math.max(...below.map((v) => v[axis]![1])),
  ]);
  if (!["Conv", "ConvTranspose", "MaxPool", "AveragePool"].includes(op)) return view;
  const spatial = run.values.get(node.inputs[0]!)!.dims.slice(2);
  const kernel = listAttribute(node, "kernel_shape") ?? run.values.get(node.inputs[1]!)!.dims.slice(2);
  const strides = listAttribute(node, "strides") ?? [1, 1];
  const dilations = listAttribute(node, "dilations") ?? [1, 1];
  if (op === "MaxPool" && kernel.every((k, axis) => k === spatial[axis])) return whole;
  return view.map(([field, jump], axis): View[number] => {
    const step = op === "ConvTranspose" ? jump / strides[axis]! : jump;
    return [
      field + (kernel[axis]! - 1) * dilations[axis]! * step,
      op === "ConvTranspose" ? step : step * strides[axis]!,
    ];
  });
}

/** How many places the full window of a neuron of a convolution has, padding included, and Σ|w| over them by output channel. */
export function fullWindow(run: Forward, node: OnnxNode): { places: number; norms: number[] } {
  const { dims, data } = run.values.get(node.inputs[1]!)!;
  const places = data.length / dims[0]!;
  const norms = Array.from({ length: dims[0]! }, (_, o) =>
    data.slice(o * places, (o + 1) * places).reduce((sum, w) => sum + Math.abs(w), 0),
  );
  return { places, norms };
}
