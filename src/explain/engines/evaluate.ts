import { createRequire } from "node:module";
import { toInt64 } from "../proto/int64.js";
import { loadOnnxruntime } from "./onnxruntime-session.js";

/** What onnxruntime knows of an output before anything runs; −1 where the dim depends on values. */
interface Metadata {
  name: string;
  isTensor: boolean;
  shape: number[];
}
interface Tensor {
  type: string;
  data: ArrayLike<number | bigint>;
  dims: readonly number[];
}
interface Feed {
  kind: "float32" | "float64" | "int64";
  data: Float32Array | Float64Array;
  dims: readonly number[];
}
/** onnxruntime's native session, whose calls block; its public interface wraps them in promises. */
interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  readonly outputMetadata: Metadata[];
  run(feeds: Record<string, object>, fetches: Record<string, null>, options: object): Record<string, Tensor>;
  dispose(): void;
}
interface Binding {
  binding: { InferenceSession: new () => NativeSession };
  initOrt(): void;
}

const require = createRequire(import.meta.url);
const OPTIONS = {
  graphOptimizationLevel: "disabled",
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableCpuMemArena: false,
  enableMemPattern: false,
  logSeverityLevel: 4,
};

/**
 * Runs a small ONNX file at once, on one thread and as it is written. `allowed` is shown the dims of each output before
 * anything is computed, undefined where they depend on values.
 * @throws Error in onnxruntime's words
 */
export function evaluateOnnx(
  model: Uint8Array,
  feeds: Record<string, Feed>,
  allowed: (outputs: (readonly number[] | undefined)[]) => void,
): Tensor[] {
  const ort = loadOnnxruntime();
  const { binding, initOrt } = require("onnxruntime-node/dist/binding.js") as Binding;
  initOrt();
  const session = new binding.InferenceSession();
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, OPTIONS);
  try {
    const outputs = session.outputMetadata;
    if (outputs.some((o) => !o.isTensor)) throw new Error("its output is no tensor");
    allowed(outputs.map(({ shape }) => (shape.some((d) => d < 0) ? undefined : shape)));
    const given = Object.entries(feeds).map(([name, { kind, data, dims }]) => {
      const values = kind === "int64" ? toInt64(data) : data;
      return [name, new ort.Tensor(kind as "float32", values as Float32Array, dims)] as const;
    });
    const results = session.run(Object.fromEntries(given), Object.fromEntries(outputs.map((o) => [o.name, null])), {});
    return outputs.map(({ name }) => results[name]!);
  } finally {
    session.dispose();
  }
}
