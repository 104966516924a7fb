import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatNpy, parseNpy } from "./npy.js";
import { readOnnx } from "./onnx-reader.js";
import { buildModel } from "./onnx-writer.js";
import { sizeOf } from "./tensor.js";

const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });

describe("npy files", () => {
  it("come back as they were written, in each type and shape", () => {
    const kinds = fc.constantFrom("f4", "f8", "i8");
    fc.assert(
      fc.property(shapes, kinds, fc.integer(), (dims, kind, seed) => {
        const values = Array.from({ length: sizeOf(dims) }, (_, k) => (seed % 1000) + k);
        const data =
          kind === "f4"
            ? Float32Array.from(values)
            : kind === "f8"
              ? Float64Array.from(values)
              : BigInt64Array.from(values.map(BigInt));
        const file = formatNpy({ dims, data });
        // The data starts at a multiple of 64 bytes.
        expect((file.length - data.byteLength) % 64).toBe(0);
        expect(parseNpy(file)).toEqual({ dims, data });
      }),
    );
  });

  it("are read with a header of version 2", () => {
    const v1 = formatNpy({ dims: [2], data: Float32Array.of(1, 2) });
    const v2 = Buffer.concat([v1.subarray(0, 6), Buffer.from([2, 0, 0, 0, 0, 0]), v1.subarray(10)]);
    v2.writeUInt32LE(v1.readUInt16LE(8), 8);
    expect(parseNpy(v2)).toEqual({ dims: [2], data: Float32Array.of(1, 2) });
  });

  it("are refused when they are cut short, big-endian or in Fortran order", () => {
    const file = formatNpy({ dims: [4], data: Float64Array.of(1, 2, 3, 4) });
    const changed = (from: string, to: string) => Buffer.from(file.toString("latin1").replace(from, to), "latin1");
    expect(() => parseNpy(file.subarray(0, -1))).toThrow("ends too early");
    expect(() => parseNpy(changed("<f8", ">f8"))).toThrow("not read");
    expect(() => parseNpy(changed("False", "True "))).toThrow("Fortran");
    expect(() => parseNpy(changed("NUMPY", "NUMPX"))).toThrow("not an .npy file");
  });
});

describe("ONNX files", () => {
  it("come back as they were written", () => {
    const name = fc.string({ minLength: 1, maxLength: 8 });
    const attribute = fc.oneof(
      fc.integer(),
      fc.float({ noNaN: true, noDefaultInfinity: true }).filter((v) => !Number.isInteger(v)),
      fc.string(),
      fc.array(fc.integer(), { minLength: 1, maxLength: 4 }),
    );
    const node = fc.record({
      op: name,
      name,
      inputs: fc.array(name, { maxLength: 3 }),
      outputs: fc.array(name, { maxLength: 3 }),
      attributes: fc.dictionary(name, attribute, { maxKeys: 3, noNullPrototype: true }),
    });
    const type = fc.constantFrom("float32" as const, "float64" as const, "int64" as const);
    fc.assert(
      fc.property(fc.array(node, { maxLength: 4 }), shapes, type, name, (nodes, dims, kind, weight) => {
        const data = Array.from({ length: sizeOf(dims) }, (_, k) => k - 7);
        const file = buildModel({
          inputs: [{ name: `${weight} in`, dims: ["N", 3, 2] }],
          nodes,
          initializers: { [weight]: { dims, data, type: kind } },
          outputs: ["out"],
          opset: 17,
        });
        const model = readOnnx(file);
        expect(model.opset).toBe(17);
        expect(model.inputs).toEqual([{ name: `${weight} in`, dims: [-1, 3, 2] }]);
        expect(model.outputs).toEqual(["out"]);
        expect(model.initializers.get(weight)).toEqual({ dims, data: Float64Array.from(data) });
        expect(model.nodes).toEqual(nodes.map((n) => ({ ...n, attributes: new Map(Object.entries(n.attributes)) })));
      }),
    );
  });

  it("are refused when they are cut short", () => {
    const file = buildModel({ inputs: [{ name: "x", dims: [1] }], nodes: [], outputs: ["x"] });
    expect(() => readOnnx(file.subarray(0, -3))).toThrow("the file ends inside");
  });
});
