/** What a program can run on. */
export const DEVICES = ["cpu", "cuda", "tensorrt", "webgpu"] as const;
export type Device = (typeof DEVICES)[number];

/** `auto` is the processor: a graphics card is asked for by name. */
export const deviceOf = (given: Device | "auto"): Device => (given === "auto" ? "cpu" : given);
