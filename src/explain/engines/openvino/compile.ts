import { type OpenVino, openVino, type Pointer } from "./library.js";

/** Compiles the ONNX file for `streams` runs at once, with so many threads in all (0: one a core). */
export function compileFile(file: string, streams: number, threads: number, half: boolean): Pointer {
  const vino: OpenVino = openVino();
  const model = vino.readModel(file);
  try {
    return vino.compile(model, {
      NUM_STREAMS: String(streams),
      ...(threads > 0 && { INFERENCE_NUM_THREADS: String(threads) }),
      INFERENCE_PRECISION_HINT: half ? "bf16" : "f32",
      // Threads bound to cores would wait there for decoding and drawing.
      ENABLE_CPU_PINNING: "NO",
    });
  } finally {
    vino.freeModel(model);
  }
}
