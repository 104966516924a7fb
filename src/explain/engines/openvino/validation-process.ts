// node validation-process.js GRAPH REQUEST: ends well when OpenVINO compiles the graph and gives what onnxruntime gives for a picture of
// noise. REQUEST: JSON of a ValidationRequest.
import path from "node:path";
import { Worker } from "node:worker_threads";
import type { NumericTensor, Prepared } from "../engine.js";
import { runOnnx } from "../onnxruntime.js";
import { openvinoPreparing } from "./runner.js";
import { REFUSED, type ValidationRequest } from "./validate-in-subprocess.js";

type Results = Record<string, NumericTensor>;

interface Tolerance {
  /** Least correlation of maps: rounding moves single pixels, a fault moves the map. */
  correlation: number;
  /** Most that the sum of magnitudes of a map, or any of a few numbers, may differ, relative to the largest. */
  apart: number;
}
const TOLERANCES = {
  float32: { correlation: 0.999, apart: 0.02 },
  bfloat16: { correlation: 0.8, apart: 0.3 },
} as const satisfies Record<string, Tolerance>;
/** Outputs of fewer numbers have no correlation worth the name. */
const FEW = 9;

/** A picture of noise, the same each time. */
function noise({ inputs }: Prepared): Results {
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

const largest = (v: readonly number[]): number => v.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
const total = (v: ArrayLike<number>): number => Array.from(v).reduce((sum, x) => sum + Math.abs(x), 0);
const target = (outputs: Results): unknown => (outputs.target ?? outputs.target_index)?.data[0];

/** What is wrong with an output; undefined where nothing is. */
function fault(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance): string | undefined {
  const map = expected.length >= FEW;
  const [ours, theirs] = map ? [[total(got)], [total(expected)]] : [Array.from(got), Array.from(expected)];
  const apart = largest(theirs.map((v, k) => v - ours[k]!)) / Math.max(largest(theirs), 1e-20);
  if (!(apart <= tolerance.apart)) return `${(100 * apart).toFixed(1)} % apart`;
  const alike = map ? correlation(got, expected) : 1;
  return alike >= tolerance.correlation ? undefined : `correlation ${alike.toFixed(3)}`;
}

async function compare(
  graph: string,
  request: ValidationRequest,
  precision: keyof typeof TOLERANCES,
  expected: Results,
): Promise<void> {
  const options = { ...request.options, precision, skipValidation: true };
  const runner = await openvinoPreparing.open(path.dirname(graph), request.prepared, options);
  const got = await runner.run(noise(request.prepared));
  await runner.close();
  const same = target(got) === target(expected);
  if (!same && precision === "float32") throw new Error("its class of a picture of noise is not onnxruntime's");
  for (const [name, { data }] of Object.entries(expected)) {
    const numbers = got[name]!.data;
    // Ranks of classes that are nearly as probable change places.
    if (data instanceof BigInt64Array || numbers instanceof BigInt64Array) continue;
    const finite = Array.from(numbers).every(Number.isFinite);
    // Of another class, it is another map.
    const wrong = !finite ? "numbers that are none" : same ? fault(numbers, data, TOLERANCES[precision]) : undefined;
    if (wrong !== undefined) throw new Error(`its ${name} of a picture of noise is not onnxruntime's: ${wrong}`);
  }
}

async function main(): Promise<void> {
  const [graph, text] = process.argv.slice(2) as [string, string];
  const request = JSON.parse(text) as ValidationRequest;
  const expected = await runOnnx(graph, noise(request.prepared));
  await compare(graph, request, "float32", expected);
  if (request.options.precision === "bfloat16") await compare(graph, request, "bfloat16", expected);
}

// Native code keeps this thread busy for seconds: another one sees when the process that asked has ended.
const watch = `const parent = process.ppid;
setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, "SIGKILL"); }, 200);`;
new Worker(watch, { eval: true }).unref();

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(REFUSED);
  },
);
