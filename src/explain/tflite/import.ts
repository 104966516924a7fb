import type { Network } from "../network/network.js";
import type { ImportOptions } from "../onnx/import.js";
import { importTranslated } from "../tensorflow/import-translated.js";
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
export const importTflite = (bytes: Uint8Array, options: ImportOptions = {}): Network =>
  importTranslated(
    "the model file is damaged or uses the TensorFlow Lite format in an unknown way; convert it again",
    (graph) => {
      const model = new LiteModel(bytes);
      return translateModel(graph, model, new LiteConstants(model, bytes.length));
    },
    options,
  );
