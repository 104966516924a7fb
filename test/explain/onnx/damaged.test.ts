import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError, ModelError } from "../../../src/errors.js";
import { loadModel } from "../../../src/explain/model/load.js";
import { canonicalise } from "../../../src/explain/network/canonicalise.js";
import { importOnnx } from "../../../src/explain/onnx/import.js";
import { DEFAULT_METHOD } from "../../../src/explain/options.js";
import { tensorProgram } from "../../../src/explain/programs/tensor.js";
import { goldenCase } from "../twin/golden.js";
import { type Message, patched } from "./messages.js";

// Large: FUZZ_RUNS=20000 FUZZ_SEED=7 npx vitest run test/explain/onnx/damaged.test.ts
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const runs = (usual: number): number => Number(process.env.FUZZ_RUNS ?? usual);

const NAMES = ["conv-same", "channel-shuffle", "squeeze-excite-sigmoid", "normalise-in-graph", "keras-inception"];
const models = NAMES.map((name) => goldenCase(name).model);
const model = fc.constantFrom(...models);

const compile = (bytes: Uint8Array): void => {
  const network = canonicalise(importOnnx(bytes));
  tensorProgram(network, DEFAULT_METHOD, { low: [0], high: [1], channelAxis: 1 });
};

/** The file compiles or is refused in one sentence. */
function expectSentence(bytes: Uint8Array, load: (bytes: Uint8Array) => void): void {
  try {
    load(bytes);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.message).toMatch(/[^.\s]$/);
  }
}

/** Changed bytes, most of them in the graph at the file's ends rather than in the weights. */
const changes = fc.array(fc.record({ at: fc.nat(1200), fromEnd: fc.boolean(), value: fc.nat(255) }), {
  minLength: 1,
  maxLength: 6,
});
const damaged = fc.record({ model, changes }).map(({ model, changes }) => {
  const bytes = Uint8Array.from(model);
  for (const { at, fromEnd, value } of changes)
    bytes[fromEnd ? bytes.length - 1 - (at % bytes.length) : at % bytes.length] = value;
  return bytes;
});

const number = fc.constantFrom(0, 1, 2, 3, 7, -1, -2, 100, 2 ** 31, -(2 ** 31), 2 ** 40);
/** Files that decode well and make no sense: one field of one node or weight changed. */
const nonsense = fc
  .record({ model, node: fc.nat(), field: fc.nat(5), k: fc.nat(), value: number })
  .map(({ model, node, field, k, value }) =>
    patched(model, ({ graph }) => {
      const at = <T>(list: T[] | undefined, index: number): T | undefined => list?.[index % Math.max(1, list.length)];
      const chosen: Message = at(graph.node, node);
      const attribute: Message = at(chosen.attribute, k);
      const weight: Message = at(graph.initializer, k);
      if (field === 0 && attribute) attribute.i = value;
      if (field === 1 && attribute?.ints?.length) attribute.ints[k % attribute.ints.length] = value;
      if (field === 2) chosen.opType = at<Message>(graph.node, k).opType;
      if (field === 3 && chosen.input?.length) chosen.input[k % chosen.input.length] = weight?.name ?? "";
      if (field === 4) chosen.input?.pop();
      if (field === 5) weight?.dims?.reverse();
    }),
  );

describe("damaged model files are refused in one sentence", () => {
  it("with bytes changed", () => {
    fc.assert(
      fc.property(damaged, (bytes) => expectSentence(bytes, compile)),
      { numRuns: runs(500), seed: SEED },
    );
  });

  it("cut off anywhere", () => {
    const cut = fc.record({ model, keep: fc.double({ min: 0, max: 1, noNaN: true }) });
    fc.assert(
      fc.property(cut, ({ model, keep }) => {
        const bytes = model.subarray(0, Math.floor(keep * (model.length - 1)));
        expect(() => compile(bytes)).toThrow(ModelError);
      }),
      { numRuns: runs(200), seed: SEED },
    );
  });

  it("of arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => compile(bytes)).toThrow(ModelError);
      }),
    );
  });

  it("that decode and make no sense", () => {
    fc.assert(
      fc.property(nonsense, (bytes) => expectSentence(bytes, compile)),
      { numRuns: runs(500), seed: SEED },
    );
  });
});

describe("loading a damaged model file", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "damaged-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("names the file in one sentence", () => {
    const file = join(folder, "model.onnx");
    fc.assert(
      fc.property(fc.oneof(damaged, nonsense), (bytes) => {
        writeFileSync(file, bytes);
        expectSentence(bytes, () => {
          try {
            loadModel(file);
          } catch (error) {
            expect((error as Error).message).toContain(file);
            throw error;
          }
        });
      }),
      { numRuns: runs(200), seed: SEED },
    );
  });
});
