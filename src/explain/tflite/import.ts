import { InputError, ModelError } from "../../errors.js";
import type { Network } from "../network/network.js";
import { type ImportOptions, importGraph } from "../onnx/import.js";
import { OnnxGraph } from "../tensorflow/onnx-graph.js";
import { LiteConstants } from "./constants.js";
import { LiteModel } from "./schema.js";
import { translateModel } from "./translate.js";

/** Whether a file is one of TensorFlow Lite. */
export const isTflite = (bytes: Uint8Array): boolean =>
  [0x54, 0x46, 0x4c, 0x33].every((byte, k) => bytes[4 + k] === byte);

/**
 * Reads a TensorFlow Lite classifier into a Network: it is translated into the ONNX graph that means the same, node by node,
 * and imported as one. Of a quantised one the weights are the real numbers that they stand for, and its activations are rounded
 * and cut off as its whole numbers are.
 * @param bytes the file
 * @param options as for an ONNX file; where dims are open and nothing tells their order, channels are last
 * @throws ModelError naming the operator that cannot be explained, or what is wrong with the file
 */
export function importTflite(bytes: Uint8Array, options: ImportOptions = {}): Network {
  try {
    const model = new LiteModel(bytes);
    const graph = new OnnxGraph();
    const outputs = translateModel(graph, model, new LiteConstants(model, bytes.length));
    return importGraph(graph.finish(outputs), noExternal, {
      ...options,
      input: { otherwise: "NHWC", ...options.input },
    });
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new ModelError(
      "model-corrupt",
      "the model file is damaged or uses the TensorFlow Lite format in an unknown way; convert it again",
      { cause },
    );
  }
}

function noExternal(location: string): never {
  throw new ModelError("model-external", `a translated model names a weights file "${location}"`);
}
