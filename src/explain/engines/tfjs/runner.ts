import type { Tensor, TypedArray } from "@tensorflow/tfjs-core";
import { VideoExplainerError } from "../../../errors.js";
import type { ElementKind, Program, ProgramConstant } from "../../program/program.js";
import {
  type EngineOptions,
  type Ignored,
  type NumericTensor,
  type ProgramSource,
  programOf,
  type Runner,
} from "../engine.js";
import { ignoredPrecision, ignoredProfile } from "../ignored.js";
import { DualLayoutTensor } from "./dual-layout-tensor.js";
import { Call } from "./kernel.js";
import { KERNELS } from "./kernels/index.js";
import { type BackendChoice, loadBackend, tf } from "./tensorflow.js";

/** Longest constant whose values are also kept as numbers: shapes, axes, sizes, bounds. */
const KNOWN_ELEMENTS = 256;

/**
 * Runs programs on TensorFlow.js. Calls block the thread they are made on: use it in a worker.
 * @throws VideoExplainerError when no backend loads, or an operation of the program is not known
 */
export async function tfjsRunner(
  source: ProgramSource,
  options: EngineOptions,
  choice: BackendChoice = "auto",
): Promise<Runner> {
  const whole = programOf(source);
  const unknown = whole.operations.find((o) => !Object.hasOwn(KERNELS, o.op));
  if (unknown)
    throw new VideoExplainerError(
      "engine-refused",
      `the engine tfjs does not know the operation ${unknown.op} (${unknown.outputs[0]}); take engine onnxruntime`,
    );
  const backend = await loadBackend(choice);
  const use = tf().getBackend();
  const constants = new Map(whole.constants.map((c) => [c.name, upload(c)]));
  const drops = lastUses(whole);
  // The backend has the constants now: keeping them here too would hold the model twice.
  const program: Program = { ...whole, constants: [] };
  return {
    name: backend.name,
    skipped: backend.skipped,
    ignores: ignored(backend.name, options),
    async run(feeds) {
      if (tf().getBackend() !== use) await tf().setBackend(use);
      return execute(program, feeds, constants, drops);
    },
    async close() {
      for (const constant of constants.values()) constant.drop();
      constants.clear();
    },
  };
}

/** The native binding has one pool of threads, one a core, for the whole process; WebAssembly has one thread. */
function ignored(backend: string, options: EngineOptions): Ignored[] {
  const { device, threads } = options;
  const own = backend === "tfjs-native-gpu" ? "cuda" : "cpu";
  const chosen = [
    ...(device === own ? [] : (["device"] as const)),
    ...(backend.startsWith("tfjs-wasm") && threads === 1 ? [] : (["threads"] as const)),
  ];
  const why = `the engine ${backend} chooses its device and the threads of a run by itself`;
  return [
    { options: chosen, why, elsewhere: "onnxruntime" },
    ...ignoredPrecision(backend, options),
    ...ignoredProfile(backend, options),
  ];
}

const TYPES = { float32: "float32", float64: "float32", int64: "int32", uint8: "int32", bool: "bool" } as const;

function upload({ kind, dims, data }: ProgramConstant): DualLayoutTensor {
  const values = kind === "float64" ? Float32Array.from(data) : data;
  const tensor = tf().tensor(
    kind === "int64" ? Int32Array.from(values, bounded) : (values as TypedArray),
    [...dims],
    TYPES[kind],
  );
  return new DualLayoutTensor(dims, { nchw: tensor }, data.length <= KNOWN_ELEMENTS ? Array.from(data) : undefined);
}
/** "To the end" is written as a number that no int32 holds. */
const bounded = (v: number): number => Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, v));

/** For each operation, what nobody reads after it. */
function lastUses(program: Program): string[][] {
  const outputs = new Set(program.outputs.map((o) => o.name));
  const kept = new Set(program.constants.map((c) => c.name));
  const seen = new Set<string>();
  return program.operations
    .toReversed()
    .map(({ inputs, outputs: made }) => {
      const fresh = [...new Set([...inputs, ...made])].filter(
        (name) => name !== "" && !seen.has(name) && !kept.has(name) && !outputs.has(name),
      );
      for (const name of fresh) seen.add(name);
      return fresh;
    })
    .reverse();
}

function execute(
  program: Program,
  feeds: Record<string, NumericTensor>,
  constants: ReadonlyMap<string, DualLayoutTensor>,
  drops: readonly string[][],
): Record<string, NumericTensor> {
  const values = new Map<string, DualLayoutTensor>();
  try {
    for (const { name, kind } of program.inputs) {
      const { data, dims } = feeds[name]!;
      const plain = data instanceof BigInt64Array ? Int32Array.from(data, Number) : data;
      values.set(name, DualLayoutTensor.ofNchw(tf().tensor(plain, [...dims], TYPES[kind])));
    }
    program.operations.forEach((operation, k) => {
      const inputs = operation.inputs.map((name) =>
        name === "" ? undefined : (values.get(name) ?? constants.get(name)),
      );
      tf().engine().startScope();
      try {
        const made = KERNELS[operation.op]!(new Call(operation, inputs));
        [made].flat().forEach((held, i) => {
          const name = operation.outputs[i];
          if (name) values.set(name, held);
          else held.drop();
        });
      } finally {
        tf().engine().endScope();
      }
      for (const name of drops[k]!) {
        values.get(name)?.drop();
        values.delete(name);
      }
    });
    return Object.fromEntries(program.outputs.map(({ name, kind }) => [name, download(values.get(name)!, kind)]));
  } finally {
    for (const held of values.values()) held.drop();
  }
}

function download(held: DualLayoutTensor, kind: ElementKind): NumericTensor {
  const tensor: Tensor = held.nchw();
  const data = tensor.dataSync();
  const { dims } = held;
  if (kind === "int64") return { data: BigInt64Array.from(data, (v) => BigInt(v)), dims };
  if (kind === "uint8" || kind === "bool") return { data: Uint8Array.from(data), dims };
  return { data: Float32Array.from(data), dims };
}
