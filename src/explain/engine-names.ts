/** Engines that run a program, the first one first where none is chosen. */
export const ENGINE_NAMES = ["openvino", "onnxruntime", "tfjs"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** What a program can run on. */
export const DEVICES = ["cpu", "cuda", "tensorrt", "webgpu", "intel-gpu", "intel-npu"] as const;
export type Device = (typeof DEVICES)[number];

/** The engine that has a device beside the processor. TensorFlow.js takes what its binding finds. */
export const ENGINE_OF: Readonly<Record<Exclude<Device, "cpu">, EngineName>> = {
  cuda: "onnxruntime",
  tensorrt: "onnxruntime",
  webgpu: "onnxruntime",
  "intel-gpu": "openvino",
  "intel-npu": "openvino",
};

/** Of the numbers between input and output; what engines do not have, they compute in float32. */
export const PRECISIONS = ["float32", "float16", "bfloat16"] as const;
export type Precision = (typeof PRECISIONS)[number];
