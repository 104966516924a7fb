import { ModelError } from "../../errors.js";
import type { Network } from "../network/network.js";
import type { ImportOptions } from "../onnx/import.js";
import { importTranslated } from "../tensorflow/import-translated.js";
import { translateLayers } from "./layers/translate.js";
import { translateGraph } from "./ops/translate.js";
import { readWeights, type ShardReader, type WeightGroup } from "./weights.js";

/** The top of a model.json. */
interface ModelJson {
  format?: string;
  modelTopology?: Record<string, unknown>;
  weightsManifest?: WeightGroup[];
  signature?: unknown;
}

/**
 * Reads a TensorFlow.js classifier, a layers model or a graph model, into a Network: it is translated into the ONNX graph
 * that means the same, node by node, and imported as one.
 * @param json text of model.json
 * @param read reads a weights file beside it
 * @param options as for an ONNX file; where dims are open and nothing tells their order, channels are last
 * @throws ModelError naming the layer or operation that cannot be explained, or what is wrong with the file
 */
export function importTfjs(json: string, read: ShardReader, options: ImportOptions = {}): Network {
  const model = parse(json);
  return importTranslated(
    "model.json is damaged or uses the TensorFlow.js format in an unknown way; convert the model again",
    (graph) => {
      const weights = readWeights(model.weightsManifest ?? [], read);
      const topology = model.modelTopology!;
      return Array.isArray(topology.node)
        ? translateGraph(graph, { nodes: topology.node, signature: model.signature }, weights)
        : translateLayers(graph, topology, weights);
    },
    options,
  );
}

function parse(json: string): ModelJson {
  let model: ModelJson | undefined;
  try {
    model = JSON.parse(json) as ModelJson;
  } catch (cause) {
    throw new ModelError("model-corrupt", "model.json is not JSON; copy it again", { cause });
  }
  if (typeof model !== "object" || typeof model?.modelTopology !== "object" || model.modelTopology === null)
    throw new ModelError(
      "model-corrupt",
      'model.json holds no "modelTopology"; convert the model with tensorflowjs_converter again',
    );
  return model;
}
