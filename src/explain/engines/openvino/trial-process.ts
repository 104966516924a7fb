// node trial-process.js GRAPH WORDS: ends well when OpenVINO compiles the graph and gives onnxruntime's maps for a picture of
// noise. WORDS: JSON of a TrialWords.
import path from "node:path";
import type { NumericTensor, Prepared } from "../engine.js";
import { runOnnx } from "../onnxruntime.js";
import { openvinoPreparing } from "./runner.js";
import type { TrialWords } from "./trial.js";

/** Least correlation of each output: rounding moves single pixels, a fault moves the map. */
const LEAST = { float32: 0.999, bfloat16: 0.8 } as const;
/** Outputs of fewer numbers have no correlation worth the name. */
const FEW = 9;

/** A picture of noise, the same each time. */
function noise({ inputs }: Prepared): Record<string, NumericTensor> {
  let state = 12345;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const made = inputs.map(({ name, kind, dims }): [string, NumericTensor] => {
    const one = dims.map((d) => (d < 0 ? 1 : d));
    const length = one.reduce((product, d) => product * d, 1);
    // A scale of 0 is each frame's own.
    const value = one.length === 1 ? () => 0 : kind === "uint8" ? () => Math.floor(256 * next()) : () => 4 * next() - 2;
    const data = kind === "uint8" ? Uint8Array.from({ length }, value) : Float32Array.from({ length }, value);
    return [name, { data, dims: one }];
  });
  return Object.fromEntries(made);
}

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
  for (let k = 0; k < n; k++) {
    const [x, y] = [a[k]!, b[k]!];
    sa += x;
    sb += y;
    saa += x * x;
    sbb += y * y;
    sab += x * y;
  }
  const [va, vb] = [saa - (sa * sa) / n, sbb - (sb * sb) / n];
  // Maps without any relevance are alike.
  if (va === 0 && vb === 0) return 1;
  return (sab - (sa * sb) / n) / Math.sqrt(va * vb);
}

const isMap = ({ data }: NumericTensor): boolean => !(data instanceof BigInt64Array) && data.length >= FEW;
const target = (outputs: Record<string, NumericTensor>): unknown => (outputs.target ?? outputs.target_index)?.data[0];

async function compare(
  graph: string,
  { prepared, options }: TrialWords,
  precision: keyof typeof LEAST,
  expected: Record<string, NumericTensor>,
): Promise<void> {
  const runner = await openvinoPreparing.open(path.dirname(graph), prepared, { ...options, precision });
  const got = await runner.run(noise(prepared));
  await runner.close();
  // Of another class, it is another map.
  if (precision !== "float32" && target(got) !== target(expected)) return;
  for (const [name, tensor] of Object.entries(expected)) {
    if (!isMap(tensor)) continue;
    const alike = correlation(got[name]!.data as Float32Array, tensor.data as Float32Array);
    if (!(alike >= LEAST[precision]))
      throw new Error(`its ${name} of a picture of noise is not onnxruntime's: correlation ${alike.toFixed(3)}`);
  }
}

async function main(): Promise<void> {
  const [graph, text] = process.argv.slice(2) as [string, string];
  const words = JSON.parse(text) as TrialWords;
  const expected = await runOnnx(graph, noise(words.prepared));
  await compare(graph, words, "float32", expected);
  if (words.options.precision === "bfloat16") await compare(graph, words, "bfloat16", expected);
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(1);
  },
);
