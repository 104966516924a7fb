import type { NumericTensor, Runner } from "../../src/explain/engines/engine.js";
import { engineNamed } from "../../src/explain/engines/registry.js";
import { canonicalise } from "../../src/explain/network/canonicalise.js";
import type { Network } from "../../src/explain/network/network.js";
import { importOnnx } from "../../src/explain/onnx/import.js";
import { DEFAULT_METHOD, type MethodOptions } from "../../src/explain/options.js";
import type { Program } from "../../src/explain/program/program.js";
import { tensorProgram } from "../../src/explain/programs/tensor.js";
import type { TwinOptions as Options } from "./twin/twin.js";

/** The twin's options; the engine knows more methods. */
type TwinOptions = Omit<Options, "method"> & { method?: MethodOptions["method"] };

/** A program compiled for the machine's processor, or onnxruntime's `webgpu`. */
const compiled = (program: Program, engine = "auto"): Promise<Runner> => {
  const options = { threads: 1, skipValidation: true };
  return engine === "webgpu"
    ? engineNamed("onnxruntime")(program, { device: engine, ...options })
    : engineNamed(engine)(program, { device: "cpu", ...options });
};

/** Runs a program once. */
export async function runProgram(
  program: Program,
  feeds: Record<string, NumericTensor>,
  engine?: string,
): Promise<Record<string, NumericTensor>> {
  const runner = await compiled(program, engine);
  try {
    return await runner.run(feeds);
  } finally {
    await runner.close();
  }
}

/** What the engine says of one frame, as the twin says it. */
export interface Explained {
  logits: Float32Array;
  probabilities: Float32Array;
  target: number;
  relevance: Float32Array;
}

const methodOptions = ({ method, inputRule, start, target }: TwinOptions): MethodOptions => ({
  method: method ?? DEFAULT_METHOD.method,
  inputRule,
  start,
  target: target ?? DEFAULT_METHOD.target,
});

/** Explains a batch: frames of `shape` (batch axis first, 1), one answer a frame. Options are the twin's. */
export async function explainFrames(
  model: Uint8Array | Network,
  frames: readonly ArrayLike<number>[],
  shape: readonly number[],
  options: TwinOptions,
  engine?: string,
): Promise<Explained[]> {
  const [explained] = await explainBatches(model, [frames], shape, options, engine);
  return explained!;
}

/** The same for several batches, one after the other, by one compiled program. */
export async function explainBatches(
  model: Uint8Array | Network,
  batches: readonly (readonly ArrayLike<number>[])[],
  shape: readonly number[],
  options: TwinOptions,
  engine?: string,
): Promise<Explained[][]> {
  const network = model instanceof Uint8Array ? canonicalise(importOnnx(model)) : model;
  const low = options.low ?? [0];
  const high = options.high ?? [0];
  const channelAxis = options.channelAxis ?? (shape[1] === low.length ? 1 : shape.length - 1);
  const program = tensorProgram(network, methodOptions(options), { low, high, channelAxis });
  const runner = await compiled(program, engine);
  try {
    const explained: Explained[][] = [];
    for (const frames of batches) {
      const data = Float32Array.from(frames.flatMap((frame) => Array.from(frame)));
      const out = await runner.run({ input: { data, dims: [frames.length, ...shape.slice(1)] } });
      const rows = (name: string): Float32Array[] => {
        const all = out[name]!.data as Float32Array;
        const size = all.length / frames.length;
        return frames.map((_, n) => all.slice(n * size, (n + 1) * size));
      };
      const [logits, probabilities, relevance] = [rows("logits"), rows("probabilities"), rows("relevance")];
      explained.push(
        frames.map((_, n) => ({
          logits: logits[n]!,
          probabilities: probabilities[n]!,
          relevance: relevance[n]!,
          target: Number(out.target!.data[n]),
        })),
      );
    }
    return explained;
  } finally {
    await runner.close();
  }
}
