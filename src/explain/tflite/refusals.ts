import type { OnnxGraph } from "../tensorflow/onnx-graph.js";
import type { LiteOperator } from "./schema.js";

/** Operators that are known, and why they cannot be explained. */
const REASONS: readonly [names: RegExp, reason: string][] = [
  [
    /^edgetpu-custom-op$/,
    "the file is compiled for the Edge TPU, which hides its network; give the file from before the Edge TPU compiler (without _edgetpu in its name)",
  ],
  [
    /^TFLite_Detection_PostProcess$|^NON_MAX_SUPPRESSION/,
    "it lists the objects of a detector, and a classifier gives one row of class scores; give the file of a classifier",
  ],
  [
    /^Flex/,
    "it is one of TensorFlow's own (select ops), which the file only names; convert the model with built-in operators alone",
  ],
  [
    /^(?:IF|WHILE|CALL|CALL_ONCE|STABLEHLO_WHILE|STABLEHLO_COMPOSITE)$/,
    "what it computes stands in another graph, and relevance follows one way; convert the model without control flow",
  ],
  [
    /^(?:VAR_HANDLE|READ_VARIABLE|ASSIGN_VARIABLE)$/,
    "it keeps a state between frames; convert the model for inference",
  ],
  [/LSTM|RNN|^SVDF$/, "it keeps a state between steps, and no rule says how relevance crosses it"],
  [/^DENSIFY$/, "its weights leave out their zeros (sparse weights); convert the model without them"],
  [/^RANDOM_|^MULTINOMIAL$/, "its result is random; convert the model for inference"],
  [/^(?:DELEGATE|CUSTOM)$/, "only the device that the file was made for knows what it computes"],
];

/** Refuses an operator that no translation is known for. */
export function refuseUnknown(graph: OnnxGraph, { kind, custom }: LiteOperator): never {
  const reason = REASONS.find(([names]) => names.test(kind))?.[1];
  if (reason !== undefined) return graph.refuse(reason);
  return graph.refuse(
    custom
      ? "it is none of TensorFlow Lite's own operators; convert the model with built-in operators alone"
      : "no rule says how relevance crosses it",
  );
}
