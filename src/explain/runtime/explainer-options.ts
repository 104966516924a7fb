import type { Device, Precision } from "../engine-names.js";
import type { NamedOptions } from "../options.js";
import type { SummaryOptions } from "../programs/frames.js";

/** What the first thread made, for the others to run as well. */
export interface SharedModels {
  /** The engine that takes the model, and the device that it takes it to. */
  engine: string;
  device: Device;
  /** Compiled models in the memory of the process, on engines that share them. */
  explainer?: bigint;
  classifier?: bigint;
}

export interface ExplainerOptions extends NamedOptions, SummaryOptions {
  /** ONNX or TensorFlow Lite file, model.json of a TensorFlow.js model, or folder with one of them and model.yaml. */
  model: string;
  /** Name of the output that holds the scores, where the file has several; before what the card says. */
  output?: string;
  engine: string;
  /** `auto`: the fastest of those that are here, once it agrees with the processor. */
  device: "auto" | Device;
  /** All that is known of that device and its driver, where it is known already. */
  adapter?: string;
  /** Threads in all; 0: one per core. */
  threads: number;
  /** Default float32. */
  precision?: Precision;
  /** Threads that will run what the first of them compiles, on engines that share it. */
  streams?: number;
  /** What the first thread compiled. */
  shared?: SharedModels;
  /** Folder of compiled models; `auto` (the default) is the system's place for caches, `off` keeps none. */
  cache?: string;
  /** What that folder may hold. Default 4 GiB. */
  cacheBytes?: number;
  /** Frames that are only classified will come: the smaller program for them is made ready as well. */
  classifier?: boolean;
  /** Eight frames of a batch that take longer, in milliseconds, show that the engine hangs. Default 60 s. */
  stuckMs?: number;
  /** What the trial of a device that is not done by then is given up after, in milliseconds. Default five minutes. */
  trialMs?: number;
}
