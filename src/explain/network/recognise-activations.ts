import {
  type ActivationLayer,
  type AddLayer,
  type ElementStep,
  type Layer,
  makers,
  type Network,
  type PairLayer,
  readers,
  type ScaleLayer,
  type TensorId,
  type Weights,
} from "./network.js";

/** Layers that act on each element alone and can be steps of a spelled-out activation. */
const isElementwise = (layer: Layer | undefined): layer is Layer =>
  layer !== undefined &&
  (layer.kind === "activation" || layer.kind === "scale" || layer.kind === "add" || layer.kind === "pair");

/**
 * Finds products such as `x · sigmoid(x)` or `x · ½(1 + erf(x/√2))`, in which everything is a function of one tensor
 * element by element, and makes one activation layer of each.
 */
export function recogniseActivations(network: Network): Network {
  let current = network;
  for (const layer of network.layers)
    if (layer.kind === "pair" || (layer.kind === "add" && isPRelu(layer, network))) current = merge(current, layer);
  return current;
}

/** `relu(x) − a · relu(−x)`: the one sum of one-to-one functions that is an activation and no skip connection. */
function isPRelu(layer: AddLayer, network: Network): boolean {
  const made = makers(network);
  const relu = (id: TensorId): TensorId | undefined => {
    const maker = made.get(id);
    return maker?.kind === "activation" && maker.steps.length === 1 && isRelu(maker.steps[0]!)
      ? maker.inputs[0]
      : undefined;
  };
  const scaled = (id: TensorId | undefined): ScaleLayer | undefined => {
    const maker = id === undefined ? undefined : made.get(id);
    return maker?.kind === "scale" && maker.factor && !maker.shift ? maker : undefined;
  };
  const negated = (id: TensorId): TensorId | undefined => {
    const inner = relu(scaled(id)?.inputs[0] ?? -1);
    const minus = scaled(inner);
    return minus?.factor?.data.every((v) => v === -1) ? minus.inputs[0] : undefined;
  };
  const [a, b] = layer.inputs as [TensorId, TensorId];
  const x = relu(a) ?? relu(b);
  return x !== undefined && layer.inputs.length === 2 && (negated(a) === x || negated(b) === x);
}

const isRelu = ({ op, attributes }: ElementStep): boolean =>
  op === "Relu" || (op === "Clip" && attributes.min === 0 && attributes.max === undefined);

function merge(network: Network, product: PairLayer | AddLayer): Network {
  const made = makers(network);
  if (!network.layers.includes(product)) return network;
  const [a, b] = product.inputs as [TensorId, TensorId];
  const source = commonSource(a, b, made);
  if (source === undefined) return network;
  const region = between(source, product, made);
  if (!region) return network;
  // Inner results that something else reads too stay a network of their own.
  const read = readers(network);
  const inside = new Set<Layer>(region);
  for (const layer of region)
    if (
      layer !== product &&
      layer.outputs.some((o) => o === network.output || read.get(o)!.some((r) => !inside.has(r)))
    )
      return network;
  const { steps } = spellOut(source, region);
  const shape = network.shapes.get(source)!;
  if (region.some((l) => network.shapes.get(l.outputs[0]!)!.join() !== shape.join())) return network;
  const activation: ActivationLayer = {
    kind: "activation",
    name: product.name,
    operator: region.map((l) => l.operator).join("·"),
    inputs: [source],
    outputs: product.outputs,
    steps,
  };
  return {
    ...network,
    layers: network.layers.flatMap((l) => (l === product ? [activation] : inside.has(l) ? [] : [l])),
  };
}

function chain(start: TensorId, made: Map<TensorId, Layer>): TensorId[] {
  const found: TensorId[] = [];
  const queue = [start];
  while (queue.length > 0 && found.length < 64) {
    const id = queue.shift()!;
    if (found.includes(id)) continue;
    found.push(id);
    const layer = made.get(id);
    if (isElementwise(layer)) queue.push(...layer.inputs);
  }
  return found;
}

/** The nearest tensor that both factors are element-wise functions of. */
function commonSource(a: TensorId, b: TensorId, made: Map<TensorId, Layer>): TensorId | undefined {
  const fromB = new Set(chain(b, made));
  return chain(a, made).find((id) => fromB.has(id) && onlyFrom(a, id, made) && onlyFrom(b, id, made));
}

function onlyFrom(end: TensorId, source: TensorId, made: Map<TensorId, Layer>): boolean {
  const seen = new Set<TensorId>([source]);
  const open = [end];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const layer = made.get(id);
    if (!isElementwise(layer)) return false;
    open.push(...layer.inputs);
  }
  return true;
}

/** Layers of an activation. */
const MAX_STEPS = 32;

/** Layers from the source to the product, in order; undefined where one cannot be spelled out. */
function between(source: TensorId, product: Layer, made: Map<TensorId, Layer>): Layer[] | undefined {
  const order: Layer[] = [];
  const visit = (layer: Layer, above: number): boolean => {
    if (order.includes(layer)) return true;
    if (above >= MAX_STEPS) return false;
    for (const i of layer.inputs) if (i !== source && !visit(made.get(i)!, above + 1)) return false;
    order.push(layer);
    return order.length <= MAX_STEPS;
  };
  return visit(product, 0) ? order : undefined;
}

function spellOut(source: TensorId, region: readonly Layer[]): { steps: ElementStep[] } {
  const at = new Map<TensorId, number>([[source, 0]]);
  const steps: ElementStep[] = [];
  const put = (op: string, operands: (number | Weights)[], attributes: Record<string, number> = {}): number => {
    steps.push({ op, operands, attributes });
    return steps.length;
  };
  for (const layer of region) {
    const x = at.get(layer.inputs[0]!)!;
    let result = x;
    if (layer.kind === "activation") {
      const base = steps.length;
      for (const step of layer.steps)
        result = put(
          step.op,
          step.operands.map((o) => (typeof o !== "number" ? o : o === 0 ? x : o + base)),
          step.attributes,
        );
    } else if (layer.kind === "scale") {
      if (layer.factor) result = put("Mul", [result, layer.factor]);
      if (layer.shift) result = put("Add", [result, layer.shift]);
    } else {
      const op = layer.kind === "pair" ? layer.op : "Add";
      for (const other of layer.inputs.slice(1)) result = put(op, [result, at.get(other)!]);
    }
    at.set(layer.outputs[0]!, result);
  }
  return { steps };
}
