import {
  type Layer,
  type LayerOf,
  makers,
  type Network,
  type NormLayer,
  type TensorId,
  type Weights,
  withoutDead,
} from "./network.js";

type Made = ReadonlyMap<TensorId, Layer>;

/** Finds layer norms spelled out of means, squares and roots, as exporters before opset 17 and Keras write them. */
export function recogniseNorms(network: Network): Network {
  const made = makers(network);
  let found = false;
  const layers = network.layers.map((layer): Layer => {
    const norm = centredQuotient(layer, made) ?? scaledSum(layer, made);
    if (!norm) return layer;
    found = true;
    return {
      kind: "norm",
      name: layer.name,
      operator: "LayerNormalization",
      inputs: [norm.x],
      outputs: layer.outputs,
      axes: norm.axes,
      epsilon: norm.epsilon,
      ...(norm.factor && { factor: norm.factor }),
      ...(norm.shift && { shift: norm.shift }),
    };
  });
  return found ? withoutDead({ ...network, layers }) : network;
}

type Found = Pick<NormLayer, "axes" | "epsilon" | "factor" | "shift"> & { x: TensorId };

/** `(x − μ) / √(v + ε)`, or the same times `1 / √(v + ε)`. */
function centredQuotient(root: Layer, made: Made): Found | undefined {
  if (root.kind !== "pair" || (root.op !== "Div" && root.op !== "Mul")) return undefined;
  const [a, b] = root.inputs as [TensorId, TensorId];
  const orders: readonly [TensorId, TensorId][] =
    root.op === "Div"
      ? [[a, b]]
      : [
          [a, b],
          [b, a],
        ];
  for (const [c, s] of orders) {
    const centre = centredOf(c, made);
    const spread = root.op === "Div" ? rootOf(s, made) : inverseRootOf(s, made);
    if (centre && spread && isVarianceOf(spread.of, centre, made))
      return { x: centre.x, axes: centre.axes, epsilon: spread.epsilon };
  }
  return undefined;
}

/** `x · i + (β − μ · i)` with `i = γ / √(v + ε)`. */
function scaledSum(root: Layer, made: Made): Found | undefined {
  if (root.kind !== "add" || root.inputs.length !== 2) return undefined;
  const [a, b] = root.inputs as [TensorId, TensorId];
  for (const [main, rest] of [
    [a, b],
    [b, a],
  ] as const) {
    const product = pair(main, "Mul", made);
    const offset = scale(unexpanded(rest, made), made);
    const inner = offset && pair(offset.inputs[0]!, "Mul", made);
    if (!product || !inner || !offset.factor?.data.every((v) => v === -1)) continue;
    for (const [x, i] of [product.inputs, product.inputs.toReversed()] as [TensorId, TensorId][]) {
      const scaled = scale(i, made);
      const spread = inverseRootOf(scaled && !scaled.shift ? unexpanded(scaled.inputs[0]!, made) : i, made);
      const mean = inner.inputs.map((id) => meanOf(id, made)).find((m) => m?.inputs[0] === x);
      if (!spread || !mean || !inner.inputs.includes(i)) continue;
      const centre = { x, axes: mean.axes };
      if (isVarianceOf(spread.of, centre, made))
        return { ...centre, epsilon: spread.epsilon, factor: scaled?.factor, shift: offset.shift };
    }
  }
  return undefined;
}

function pair(id: TensorId, op: LayerOf<"pair">["op"], made: Made): LayerOf<"pair"> | undefined {
  const layer = made.get(id);
  return layer?.kind === "pair" && layer.op === op ? layer : undefined;
}
function scale(id: TensorId, made: Made): LayerOf<"scale"> | undefined {
  const layer = made.get(id);
  return layer?.kind === "scale" ? layer : undefined;
}
/** A mean that keeps its axes. */
function meanOf(id: TensorId, made: Made): LayerOf<"mean"> | undefined {
  const layer = made.get(id);
  return layer?.kind === "mean" && layer.keepDims && !layer.factor ? layer : undefined;
}
/** The tensor whose copies along some axes this is. */
function unexpanded(id: TensorId, made: Made): TensorId {
  const layer = made.get(id);
  return layer?.kind === "gather" && layer.indices.every((k) => k === 0) ? unexpanded(layer.inputs[0]!, made) : id;
}

interface Centre {
  x: TensorId;
  axes: number[];
}

/** `x − mean(x)`. */
function centredOf(id: TensorId, made: Made): Centre | undefined {
  const difference = pair(id, "Sub", made);
  const mean = difference && meanOf(difference.inputs[1]!, made);
  return mean && mean.inputs[0] === difference.inputs[0] ? { x: mean.inputs[0]!, axes: mean.axes } : undefined;
}

function isVarianceOf(id: TensorId, centre: Centre, made: Made): boolean {
  const mean = meanOf(id, made);
  const squared = mean && squareRootOf(mean.inputs[0]!, made);
  const inner = squared === undefined ? undefined : centredOf(squared, made);
  return inner?.x === centre.x && [mean, inner].every((m) => m!.axes.join() === centre.axes.join());
}

/** What is squared here. */
function squareRootOf(id: TensorId, made: Made): TensorId | undefined {
  const product = pair(id, "Mul", made);
  if (product) return product.inputs[0] === product.inputs[1] ? product.inputs[0] : undefined;
  const power = step(id, "Pow", made);
  return power && constantIn(power) === 2 ? power.inputs[0] : undefined;
}

const constantIn = (layer: LayerOf<"activation">): number | undefined => {
  const operand = layer.steps[0]!.operands[1];
  return typeof operand === "object" && operand.data.length === 1 ? operand.data[0] : undefined;
};
function step(id: TensorId, op: string, made: Made): LayerOf<"activation"> | undefined {
  const layer = made.get(id);
  return layer?.kind === "activation" && layer.steps.length === 1 && layer.steps[0]!.op === op ? layer : undefined;
}

/** `√(v + ε)`. */
function rootOf(id: TensorId, made: Made): { of: TensorId; epsilon: number } | undefined {
  const power = step(id, "Pow", made);
  const root = step(id, "Sqrt", made) ?? (power && constantIn(power) === 0.5 ? power : undefined);
  return root && shifted(root.inputs[0]!, made);
}
/** `1 / √(v + ε)`. */
function inverseRootOf(id: TensorId, made: Made): { of: TensorId; epsilon: number } | undefined {
  const power = step(id, "Pow", made);
  if (power) return constantIn(power) === -0.5 ? shifted(power.inputs[0]!, made) : undefined;
  const inverse = step(id, "Reciprocal", made);
  return inverse && rootOf(inverse.inputs[0]!, made);
}
function shifted(id: TensorId, made: Made): { of: TensorId; epsilon: number } {
  const layer = scale(id, made);
  const epsilon = layer && !layer.factor ? single(layer.shift) : undefined;
  return epsilon === undefined ? { of: id, epsilon: 0 } : { of: layer!.inputs[0]!, epsilon };
}
const single = (w: Weights | undefined): number | undefined => (w?.data.length === 1 ? w.data[0] : undefined);
