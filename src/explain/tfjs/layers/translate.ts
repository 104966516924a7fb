import { ModelError } from "../../../errors.js";
import { listed } from "../../../truncate.js";
import type { GraphOutput } from "../../onnx/outputs.js";
import type { Constant } from "../../onnx/tensor.js";
import { makeInOrder, type Name, type OnnxGraph, outputsOf } from "../../tensorflow/onnx-graph.js";
import { ACTIVATION_LAYERS } from "./activations.js";
import { CONVOLUTIONS } from "./convolutions.js";
import type { Config, LayerTranslation } from "./layer.js";
import { flag } from "./layer.js";
import { MERGES } from "./merges.js";
import { NORMS } from "./norms.js";
import { LAMBDAS } from "./operations.js";
import { POOLS } from "./pools.js";
import { SHAPES } from "./shapes.js";

/** Every Keras layer that can be explained, by class name. */
const LAYERS: Record<string, LayerTranslation> = {
  ...ACTIVATION_LAYERS,
  ...CONVOLUTIONS,
  ...LAMBDAS,
  ...MERGES,
  ...NORMS,
  ...POOLS,
  ...SHAPES,
};

interface LayerJson {
  class_name: string;
  name?: string;
  config: Config;
  inbound_nodes?: unknown[];
}
interface ModelJson {
  class_name: string;
  config: Config | LayerJson[];
}
/** A call of a layer as the file has it: the tensors that it reads and further arguments. */
interface Inbound {
  tensors: Reference[];
  kwargs: Config;
}
type Reference = [layer: string, call: number, output: number];

/** A tensor with the number of its axes. */
interface Made {
  name: Name;
  rank: number;
}

/** What all models of a file share. */
interface Shared {
  graph: OnnxGraph;
  weights: ReadonlyMap<string, Constant>;
  keras3: boolean;
}

/**
 * Writes a layers model, functional or sequential, as ONNX nodes, and names its outputs, each with the refusal that names
 * the layer that cannot be explained, if there is one.
 * @throws ModelError where the file is no such model
 */
export function translateLayers(
  graph: OnnxGraph,
  topology: Record<string, unknown>,
  weights: ReadonlyMap<string, Constant>,
): GraphOutput[] {
  const model = (topology.model_config ?? topology) as ModelJson;
  const keras3 = /^[3-9]/.test(String(topology.keras_version ?? ""));
  const outputs = modelOutputs({ graph, weights, keras3 }, model, undefined, []);
  return outputsOf(outputs.map(({ shown, make }) => ({ shown, make: () => make().name })));
}

const isModel = (kind: string | undefined): boolean =>
  kind === "Functional" || kind === "Model" || kind === "Sequential";

/** An output by the name of its layer, with what translates all that it depends on. */
interface ModelOutput {
  shown: string;
  make: () => Made;
}

/** `given` are the tensors that stand for the model's inputs; a model that is the whole file makes its own. */
function modelOutputs(
  shared: Shared,
  model: ModelJson,
  given: readonly Made[] | undefined,
  path: readonly string[],
): ModelOutput[] {
  if (model.class_name === "Sequential")
    return [{ shown: "scores", make: () => sequential(shared, model, given, path) }];
  if (model.class_name !== "Functional" && model.class_name !== "Model")
    throw new ModelError(
      "model-unsupported",
      `the model is a ${model.class_name}, and functional and sequential models are known; convert one of these`,
    );
  const config = model.config as Config;
  const layers = new Map((config.layers as LayerJson[]).map((l) => [l.name ?? String(l.config.name), l]));
  const inputs = references(config.input_layers);
  if (given === undefined && inputs.length !== 1)
    throw new ModelError(
      "model-inputs",
      `the model has ${inputs.length} inputs (${listed(inputs.map(([name]) => name))}), and a classifier has one, the picture`,
    );
  const made = new Map<string, Made[]>();
  // A model within a model may count its own making as call 0, which the file then leaves out.
  const firstCalls = new Map<string, number>();
  const named = [...layers.values()].flatMap((l) =>
    (l.inbound_nodes ?? []).flatMap((n) => inboundOf(n)?.tensors ?? []),
  );
  for (const [name, call] of [...named, ...references(config.output_layers)])
    firstCalls.set(name, Math.min(call, firstCalls.get(name) ?? Number.POSITIVE_INFINITY));
  const firstCall = (name: string): number => (isModel(layers.get(name)?.class_name) ? (firstCalls.get(name) ?? 0) : 0);
  inputs.forEach(([name], k) => {
    made.set(`${name} 0`, [given?.[k] ?? pictureInput(shared.graph, shapeIn(layers.get(name)!.config), name)]);
  });
  const calledAt = ([name, call]: Reference): { layer: LayerJson; inbound: Inbound } => {
    const layer = layers.get(name);
    const inbound = layer && inboundOf(layer.inbound_nodes?.[call - firstCall(name)]);
    if (!inbound)
      throw new ModelError(
        "model-corrupt",
        `model.json names a layer "${name}" that it does not hold; convert it again`,
      );
    return { layer: layer!, inbound };
  };
  const keyOf = ([name, call]: Reference): string => `${name} ${call}`;
  const resultOf = (reference: Reference): Made => {
    const results = made.get(keyOf(reference))!;
    return results[reference[2]] ?? results[0]!;
  };
  const value = (wanted: Reference): Made => {
    makeInOrder(wanted, made, keyOf, (at) => {
      const { layer, inbound } = calledAt(at);
      const make = () => translateLayer(shared, layer, inbound.tensors.map(resultOf), inbound.kwargs, path);
      return { shown: `layer "${at[0]}"`, reads: inbound.tensors.toReversed(), make };
    });
    return resultOf(wanted);
  };
  const outputs = references(config.output_layers);
  return outputs.map((output, k) => {
    const [name] = output;
    const again = outputs.slice(0, k).filter(([other]) => other === name).length;
    return { shown: again > 0 ? `${name}_${again}` : name, make: () => value(output) };
  });
}

function sequential(
  shared: Shared,
  model: ModelJson,
  given: readonly Made[] | undefined,
  path: readonly string[],
): Made {
  const layers = (Array.isArray(model.config) ? model.config : model.config.layers) as LayerJson[];
  let at = given?.[0];
  for (const layer of layers) {
    if (at === undefined) {
      const own = Array.isArray(model.config) ? undefined : model.config.build_input_shape;
      at = pictureInput(shared.graph, shapeBefore(layer) ?? own, "input");
    }
    if (layer.class_name === "InputLayer") continue;
    [at] = translateLayer(shared, layer, [at], {}, path) as [Made];
  }
  if (!at)
    throw new ModelError("model-corrupt", "model.json holds a sequential model without layers; convert it again");
  return at;
}

const shapeIn = (config: Config): unknown => config.batch_input_shape ?? config.batch_shape ?? config.batchInputShape;

/** The shape of what a layer reads, where it says so; that of a model stands at the first layer within. */
function shapeBefore(layer: LayerJson | undefined): unknown {
  let at = layer;
  while (at && isModel(at.class_name) && shapeIn(at.config) === undefined) {
    const inside = at.config as Config | LayerJson[];
    const layers = (Array.isArray(inside) ? inside : inside.layers) as LayerJson[];
    const [first] = Array.isArray(inside) || at.class_name === "Sequential" ? [] : references(inside.input_layers);
    at = first ? layers.find((l) => (l.name ?? l.config.name) === first[0]) : layers[0];
  }
  return at && shapeIn(at.config);
}

function pictureInput(graph: OnnxGraph, shape: unknown, name: string): Made {
  const dims = Array.isArray(shape) ? shape.slice(1).map((d) => (typeof d === "number" ? d : 0)) : [0, 0, 0];
  return { name: graph.input(name, dims), rank: dims.length + 1 };
}

function translateLayer(
  shared: Shared,
  layer: LayerJson,
  inputs: readonly Made[],
  kwargs: Config,
  path: readonly string[],
): Made[] {
  const { graph, keras3 } = shared;
  const name = layer.name ?? String(layer.config.name);
  const kind = layer.class_name;
  if (isModel(kind))
    return modelOutputs(shared, layer as unknown as ModelJson, inputs, [...path, name]).map(({ make }) => make());
  graph.origin = { name: [...path, name].join("/"), kind };
  const translation = Object.hasOwn(LAYERS, kind) ? LAYERS[kind] : undefined;
  if (!translation) return graph.refuse("no rule says how relevance crosses it");
  const rank = inputs[0]?.rank ?? 0;
  const output = translation({
    graph,
    name,
    kind,
    config: { ...layer.config, ...(Object.keys(kwargs).length > 0 && { kwargs }) },
    inputs: inputs.map((i) => i.name),
    rank,
    keras3,
    weight: (...names) => names.map((n) => weightNamed(shared, [...path, name], n)).find((w) => w !== undefined),
  });
  return [{ name: output, rank: rankAfter(kind, layer.config, rank) }];
}

/** Weights are named `layer/weight`, perhaps below the names of the models that hold the layer. */
function weightNamed({ graph, weights }: Shared, path: readonly string[], weight: string): Constant | undefined {
  const layer = path.at(-1)!;
  const exact = weights.get([...path, weight].join("/")) ?? weights.get(`${layer}/${weight}`);
  if (exact) return exact;
  const held = [...weights].filter(([name]) => {
    const parts = name.split("/");
    return parts.at(-1) === weight && parts.includes(layer);
  });
  const near = held.filter(([name]) => path.every((p) => name.split("/").includes(p)));
  const [first, second] = near.length > 0 ? near : held;
  if (second)
    graph.refuse(`both "${first![0]}" and "${second[0]}" may be its ${weight}; give its layers names of their own`);
  return first?.[1];
}

function rankAfter(kind: string, config: Config, rank: number): number {
  if (kind === "Flatten") return 2;
  if (kind === "Reshape") return (config.target_shape as unknown[]).length + 1;
  if (kind.startsWith("Global")) return flag(config, "keepdims", false) ? rank : 2;
  return rank;
}

/** `["name", 0, 0]`, or a list of such. */
function references(given: unknown): Reference[] {
  const list = given as unknown[];
  return (typeof list[0] === "string" ? [list] : list).map((r) => (r as unknown[]).slice(0, 3) as Reference);
}

/** Keras 2 has `[[name, call, output, kwargs], …]`, Keras 3 `{ args, kwargs }` with tensors anywhere inside. */
function inboundOf(node: unknown): Inbound | undefined {
  if (Array.isArray(node)) {
    const list = (typeof node[0] === "string" ? [node] : node) as unknown[][];
    const kwargs = list.map((r) => (r[3] ?? {}) as Config);
    const further = kwargs.flatMap((k) => Object.values(k).filter(isReference));
    return {
      tensors: [...list.map((r) => r.slice(0, 3) as Reference), ...further.map((r) => r.slice(0, 3) as Reference)],
      kwargs: Object.assign({}, ...kwargs) as Config,
    };
  }
  if (typeof node !== "object" || node === null) return undefined;
  const { args = [], kwargs = {} } = node as { args?: unknown[]; kwargs?: Config };
  const tensors: Reference[] = [];
  const visit = (v: unknown): void => {
    if (Array.isArray(v)) for (const each of v) visit(each);
    else if (typeof v === "object" && v !== null) {
      const { class_name: kind, config } = v as { class_name?: string; config?: { keras_history?: Reference } };
      if (kind === "__keras_tensor__" && config?.keras_history) tensors.push(config.keras_history);
    }
  };
  visit(args);
  visit(Object.values(kwargs));
  return { tensors, kwargs: { ...kwargs, args } };
}

const isReference = (v: unknown): v is unknown[] =>
  Array.isArray(v) &&
  v.length === 3 &&
  typeof v[0] === "string" &&
  typeof v[1] === "number" &&
  typeof v[2] === "number";
