import { InputError, ModelError } from "../../errors.js";
import type { Network } from "../network/network.js";
import { type ImportOptions, importGraph } from "../onnx/import.js";
import type { GraphOutput } from "../onnx/outputs.js";
import { OnnxGraph } from "./onnx-graph.js";

/**
 * Reads a classifier of a format of TensorFlow's, translated into the ONNX graph that means the same, as one.
 * @param damaged what to say where the file cannot be read
 * @param translate writes the graph and names its outputs
 * @param options as for an ONNX file; where dims are open and nothing tells their order, channels are last
 * @throws ModelError of the translation and the import; any other error is `damaged`
 */
export function importTranslated(
  damaged: string,
  translate: (graph: OnnxGraph) => GraphOutput[],
  options: ImportOptions,
): Network {
  try {
    const graph = new OnnxGraph();
    const outputs = translate(graph);
    return importGraph(graph.finish(outputs), noExternal, {
      ...options,
      input: { otherwise: "NHWC", ...options.input },
    });
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new ModelError("model-corrupt", damaged, { cause });
  }
}

function noExternal(location: string): never {
  throw new ModelError("model-external", `a translated model names a weights file "${location}"`);
}
