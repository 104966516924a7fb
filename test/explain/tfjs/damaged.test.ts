import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { loadModel } from "../../../src/explain/model/load.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { tensorProgram } from "../../../src/explain/programs/tensor.js";
import { importTfjs } from "../../../src/explain/tfjs/import.js";
import { readWeights } from "../../../src/explain/tfjs/weights.js";
import { GOLDEN } from "../twin/golden.js";

// Large: FUZZ_RUNS=20000 FUZZ_SEED=7 npx vitest run test/explain/tfjs/damaged.test.ts
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const runs = (usual: number): number => Number(process.env.FUZZ_RUNS ?? usual);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "damaged-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const SHARD = "group1-shard1of1.bin";
const CASES = ["keras-se", "keras-mobile", "keras-zero-padding", "keras-sequential"].flatMap((name) =>
  ["layers", "graph"].map((format) => join(GOLDEN, name, format)),
);
const source = fc.constantFrom(...CASES);

/** The model is compiled or refused in one sentence that names its file. */
function expectSentence(json: string | Uint8Array, shard: Uint8Array): void {
  writeFileSync(join(folder, "model.json"), json);
  writeFileSync(join(folder, SHARD), shard);
  try {
    const { network } = loadModel(folder);
    tensorProgram(network, DEFAULT_METHOD, { low: [0], high: [1], channelAxis: 3 });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.message).toMatch(/^[^\n]+[^.]$/);
  }
}
const read = (from: string) => ({
  json: readFileSync(join(from, "model.json")),
  shard: readFileSync(join(from, SHARD)),
});

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** Every place of a JSON value, as what holds it and under which key. */
function places(value: Json, found: [holder: Record<string, Json>, key: string][] = []) {
  if (typeof value === "object" && value !== null)
    for (const key of Object.keys(value)) {
      const holder = value as Record<string, Json>;
      found.push([holder, key]);
      places(holder[key]!, found);
    }
  return found;
}

const relu = (name: string, from: string): Json => ({
  class_name: "ReLU",
  name,
  config: { name },
  inbound_nodes: [[[from, 0, 0, {}]]],
});
/** A model.json of layers between "in" and the last one, pooled to three scores. */
function functional(layers: Json[], last: string): string {
  const input = {
    class_name: "InputLayer",
    name: "in",
    config: { batch_input_shape: [null, 4, 4, 3] },
    inbound_nodes: [],
  };
  const pool = { class_name: "GlobalAveragePooling2D", name: "g", config: {}, inbound_nodes: [[[last, 0, 0, {}]]] };
  const config = { layers: [input, ...layers, pool], input_layers: [["in", 0, 0]], output_layers: [["g", 0, 0]] };
  return JSON.stringify({
    modelTopology: { keras_version: "2.13", model_config: { class_name: "Functional", config } },
  });
}

it("thousands of layers, one after the other, are no damage", () => {
  const layers = Array.from({ length: 9000 }, (_, k) => relu(`r${k}`, k ? `r${k - 1}` : "in"));
  const read = (): Uint8Array => new Uint8Array();
  expect(importTfjs(functional(layers, "r8999"), read).layers.length).toBeGreaterThan(9000);
  const more = Array.from({ length: 20_000 }, (_, k) => relu(`r${k}`, k ? `r${k - 1}` : "in"));
  expect(() => importTfjs(functional(more, "r19999"), read)).toThrow(/one of more than 10000 layers/);
});

describe("damaged TensorFlow.js models are refused in one sentence", () => {
  it("with bytes of model.json changed", () => {
    const changes = fc.array(fc.record({ at: fc.nat(), value: fc.nat(255) }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(source, changes, (from, list) => {
        const { json, shard } = read(from);
        for (const { at, value } of list) json[at % json.length] = value;
        expectSentence(json, shard);
      }),
      { numRuns: runs(300), seed: SEED },
    );
  });

  it("with a value of model.json that makes no sense", () => {
    const values = fc.constantFrom<Json>(null, -1, 0, 1e9, 0.5, "x", "same", [], [0], [[1]], {}, true);
    fc.assert(
      fc.property(source, fc.nat(), values, (from, k, value) => {
        const { json, shard } = read(from);
        const model = JSON.parse(json.toString()) as Json;
        const all = places(model);
        const [holder, key] = all[k % all.length]!;
        holder[key] = value;
        expectSentence(JSON.stringify(model), shard);
      }),
      { numRuns: runs(600), seed: SEED },
    );
  });

  it("with weights that are cut off, missing or elsewhere", () => {
    const { json, shard } = read(CASES[0]!);
    writeFileSync(join(folder, "model.json"), json);
    writeFileSync(join(folder, SHARD), shard.subarray(0, 100));
    expect(() => loadModel(folder)).toThrow(/the weights in group1-shard1of1\.bin end before weight/);
    rmSync(join(folder, SHARD));
    expect(() => loadModel(folder)).toThrow(/keeps its weights in "group1-shard1of1\.bin", which is not beside it/);
    writeFileSync(join(folder, "model.json"), json.toString().replaceAll(SHARD, "../elsewhere.bin"));
    expect(() => loadModel(folder)).toThrow(/outside its own folder/);
  });

  it("with weights of one file that are named over and over, which is read no further than it is wanted", () => {
    const group = { paths: new Array<string>(500).fill(SHARD), weights: [{ name: "w", shape: [1], dtype: "float32" }] };
    const sizes: number[] = [];
    expect(() =>
      readWeights([group], (_, most) => {
        sizes.push(Math.min(most, 2 ** 19));
        return new Uint8Array(sizes.at(-1)!);
      }),
    ).toThrow(/are longer than model\.json says/);
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(2 ** 20 + 4);
  });

  it("with layers that read each other", () => {
    expect(() => importTfjs(functional([relu("a", "b"), relu("b", "a")], "b"), () => new Uint8Array())).toThrow(
      /layer "b" is part of a loop, which cannot be explained/,
    );
  });

  it("with a layer or operation that nobody knows, by its name and kind", () => {
    const [layers, graph] = [read(CASES[0]!), read(CASES[1]!)];
    writeFileSync(join(folder, SHARD), layers.shard);
    writeFileSync(
      join(folder, "model.json"),
      layers.json.toString().replace('"class_name": "Multiply"', '"class_name": "LSTM"'),
    );
    expect(() => loadModel(folder)).toThrow(/node "multiply" \(operator LSTM\) cannot be explained: no rule says/);
    writeFileSync(join(folder, SHARD), graph.shard);
    writeFileSync(join(folder, "model.json"), graph.json.toString().replace('"op": "Softmax"', '"op": "Einsum"'));
    expect(() => loadModel(folder)).toThrow(/dense_6\/Softmax" \(operator Einsum\) cannot be explained: no rule says/);
  });
});
