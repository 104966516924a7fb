import { type ActivationLayer, elements, type Layer, makers, type Network, readers, type TensorId } from "./network.js";

/** Probabilities this near to 0 and 1 may be cut off: a clip that keeps a logarithm finite is none of the decision. */
const NEAR = 1e-3;

/** How a step at the very end lets scores through: what it makes of the range that they lie in. */
interface Span {
  low: number;
  high: number;
}

/** The range after a step that keeps the order of the classes and says nothing of its own; undefined for any other. */
function after(layer: Layer, range: Span, network: Network): Span | undefined {
  switch (layer.kind) {
    case "reshape":
      return range;
    case "rounding": {
      const { scale, low, high } = layer;
      if (scale === undefined || range.low === Number.NEGATIVE_INFINITY) return range;
      // The largest of 256 steps is one below 1.
      const near = scale + NEAR * (range.high - range.low);
      return scale * low <= range.low + near && scale * high >= range.high - near ? range : undefined;
    }
    case "transpose":
      // Only the classes have a length: no order changes.
      return isRow(network, layer.inputs[0]!) ? range : undefined;
    case "activation": {
      const { op, attributes } = layer.steps[0]!;
      if (layer.steps.length > 1) return undefined;
      const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = attributes;
      const near = NEAR * (range.high - range.low);
      if (op === "Clip" && min <= range.low + near && max >= range.high - near) return range;
      if (op === "Relu" && range.low >= 0) return range;
      return undefined;
    }
    case "scale": {
      const [factor, shift] = [layer.factor?.data ?? [1], layer.shift?.data ?? [0]];
      const [f, s] = [factor[0]!, shift[0]!];
      const uniform = factor.every((v) => v === f) && shift.every((v) => v === s);
      return uniform && f > 0 ? { low: range.low * f + s, high: range.high * f + s } : undefined;
    }
    default:
      return undefined;
  }
}

const isRow = (network: Network, id: TensorId): boolean => {
  const dims = network.shapes.get(id)!.slice(1);
  return Math.max(...dims) === elements(dims);
};

const isSigmoid = (layer: Layer): boolean =>
  layer.kind === "activation" && layer.steps.length === 1 && layer.steps[0]!.op === "Sigmoid";
const isLog = (layer: Layer): boolean =>
  layer.kind === "activation" && layer.steps.length === 1 && layer.steps[0]!.op === "Log";

/** Whether a softmax is over all classes, and so gives their probabilities. */
function isOverClasses(network: Network, layer: Layer): boolean {
  if (layer.kind !== "softmax") return false;
  const dims = network.shapes.get(layer.outputs[0]!)!;
  return dims[layer.axis] === elements(dims);
}

/**
 * Takes a softmax or sigmoid off the end, with all steps after it that keep the order of the classes (reshapes, transposes of a
 * row, clips to 0..1, a positive factor), and gives the logits dims `[N, classes]`. What follows them otherwise stays.
 */
export function stripFinal(given: Network): Network {
  const network = withOneSigmoid(given);
  const made = makers(network);
  const steps: Layer[] = [];
  let layer = made.get(network.output);
  const passes = (kind: Layer["kind"]): boolean =>
    kind === "reshape" || kind === "transpose" || kind === "activation" || kind === "scale" || kind === "rounding";
  while (layer && !isSigmoid(layer) && layer.kind !== "softmax" && passes(layer.kind)) {
    steps.unshift(layer);
    layer = made.get(layer.inputs[0]!);
  }
  const final = layer?.kind === "softmax" ? "softmax" : layer && isSigmoid(layer) ? "sigmoid" : undefined;
  if (
    !layer ||
    !final ||
    (final === "softmax" && !isOverClasses(network, layer)) ||
    !areHarmless(layer, steps, network)
  )
    return flatten(network);
  const removed = new Set<Layer>([layer, ...steps]);
  return flatten({
    ...network,
    final,
    output: layer.inputs[0]!,
    layers: network.layers.filter((l) => !removed.has(l)),
  });
}

/** Scores of several heads with a sigmoid each, put together, as scores put together with one sigmoid. */
function withOneSigmoid(network: Network): Network {
  const made = makers(network);
  let last = made.get(network.output);
  while (last?.kind === "reshape" || last?.kind === "transpose" || last?.kind === "rounding")
    last = made.get(last.inputs[0]!);
  if (last?.kind !== "concat") return network;
  const heads = last.inputs.map((id) => made.get(id));
  const read = readers(network);
  const apart = heads.every((head) => head && isSigmoid(head) && read.get(head.outputs[0]!)!.length === 1);
  if (!apart) return network;
  const concat = last;
  const scores = network.nextId;
  const [output] = concat.outputs as [TensorId];
  const together: Layer[] = [
    { ...concat, inputs: heads.map((head) => head!.inputs[0]!), outputs: [scores] },
    { ...(heads[0] as ActivationLayer), inputs: [scores], outputs: [output] },
  ];
  return {
    ...network,
    nextId: scores + 1,
    shapes: new Map(network.shapes).set(scores, network.shapes.get(output)!),
    layers: network.layers.flatMap((layer) => (layer === concat ? together : heads.includes(layer) ? [] : [layer])),
  };
}

function areHarmless(final: Layer, steps: readonly Layer[], network: Network): boolean {
  const log = final.kind === "softmax" && final.log === true;
  const first: Span = log ? { low: Number.NEGATIVE_INFINITY, high: 0 } : { low: 0, high: 1 };
  const last = steps.reduce<Span | undefined>((span, step) => span && through(step, span, network), first);
  return last !== undefined;
}

/** A logarithm of probabilities, as a log-softmax of two operators has it, keeps their order too. */
const through = (step: Layer, span: Span, network: Network): Span | undefined =>
  isLog(step) && span.low >= 0 && span.low <= NEAR && span.high > span.low
    ? { low: Number.NEGATIVE_INFINITY, high: Math.log(span.high) }
    : after(step, span, network);

function flatten(network: Network): Network {
  const shape = network.shapes.get(network.output)!;
  if (shape.length === 2) return network;
  const output = network.nextId;
  return {
    ...network,
    output,
    nextId: output + 1,
    shapes: new Map(network.shapes).set(output, [-1, elements(shape)]),
    layers: [
      ...network.layers,
      { kind: "reshape", name: "scores", operator: "Reshape", inputs: [network.output], outputs: [output] },
    ],
  };
}
