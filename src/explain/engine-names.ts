/** Engines that run a program, the first one first where none is chosen. */
export const ENGINE_NAMES = ["openvino", "onnxruntime", "tfjs"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** What a program can run on. */
export const DEVICES = ["cpu", "cuda", "tensorrt", "webgpu"] as const;
export type Device = (typeof DEVICES)[number];

/** `auto` is the processor: a graphics card is asked for by name. */
export const deviceOf = (given: Device | "auto"): Device => (given === "auto" ? "cpu" : given);

/** Of the numbers between input and output; what engines do not have, they compute in float32. */
export const PRECISIONS = ["float32", "float16", "bfloat16"] as const;
export type Precision = (typeof PRECISIONS)[number];
