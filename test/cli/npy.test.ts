import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readNpy, writeNpy } from "../../src/cli/npy.js";
import { InputError } from "../../src/errors.js";
import { formatNpy, parseNpy } from "../explain/twin/npy.js";

const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });
const filled = (dims: number[], seed: number): Float32Array =>
  Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, k) => Math.sin(seed + k));
const refusal = (bytes: Uint8Array): string => {
  try {
    readNpy(bytes, "in.npy");
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.message;
  }
  throw new Error("the file was accepted");
};

describe("npy files", () => {
  it("are written so that another reader reads them, and come back", () => {
    fc.assert(
      fc.property(shapes, fc.nat(), (dims, seed) => {
        const data = filled(dims, seed);
        const file = writeNpy(dims, data);
        expect((file.length - data.byteLength) % 64).toBe(0);
        expect(parseNpy(file)).toEqual({ dims, data });
        expect(readNpy(file, "in.npy")).toEqual({ dims, data });
      }),
    );
  });

  it("of float64 are read as float32", () => {
    const data = Float64Array.of(0.1, -2, 1e300);
    expect(readNpy(formatNpy({ dims: [3], data }), "in.npy")).toEqual({ dims: [3], data: Float32Array.from(data) });
  });

  it("with a header of version 2 or 3 are read", () => {
    const v1 = Buffer.from(writeNpy([2], Float32Array.of(1, 2)));
    for (const version of [2, 3]) {
      const long = Buffer.concat([v1.subarray(0, 6), Buffer.from([version, 0, 0, 0, 0, 0]), v1.subarray(10)]);
      long.writeUInt32LE(v1.readUInt16LE(8), 8);
      expect(readNpy(long, "in.npy")).toEqual({ dims: [2], data: Float32Array.of(1, 2) });
    }
  });

  it("that lie anywhere in memory are read", () => {
    const file = writeNpy([2], Float32Array.of(1, 2));
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    expect(readNpy(shifted.subarray(1), "in.npy").data).toEqual(Float32Array.of(1, 2));
  });

  const file = Buffer.from(writeNpy([2, 2], Float32Array.of(1, 2, 3, 4)));
  const changed = (from: string, to: string): Buffer =>
    Buffer.from(file.toString("latin1").replace(from, to.padEnd(from.length)), "latin1");
  it.each<[string, Uint8Array, string]>([
    ["cut off", file.subarray(0, -1), "holds 15 bytes where its shape (2, 2) needs 16; the file is cut off"],
    ["cut off in the header", file.subarray(0, 40), "damaged .npy header"],
    ["with bytes too many", Buffer.concat([file, Buffer.alloc(3)]), "holds 19 bytes"],
    ["of whole numbers", changed("<f4", "<i8"), "elements of type <i8"],
    ["of big-endian numbers", changed("<f4", ">f4"), "elements of type >f4"],
    ["of a type named like a function of every object", changed("'<f4', ", "'toString',".slice(0, 7)), "npy"],
    ["in Fortran order", changed("False", "True"), "Fortran order"],
    ["of another kind", changed("NUMPY", "NUMPX"), "is not a .npy file"],
    ["of a negative shape", changed("(2, 2)", "(-2,-2)".slice(0, 6)), "npy"],
    ["that is empty", new Uint8Array(), "is not a .npy file"],
  ])("%s are refused", (_what, bytes, reason) => {
    expect(refusal(bytes)).toContain(reason);
    expect(refusal(bytes)).toMatch(/^in\.npy [^\n]*[^.]$/);
  });

  it("of any bytes are read or refused in one sentence", () => {
    const change = fc.record({ at: fc.nat(file.length - 1), value: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
        const bytes = Uint8Array.from(file);
        for (const { at, value } of changes) bytes[at] = value;
        try {
          expect(readNpy(bytes, "in.npy").data.length).toBeLessThanOrEqual(16);
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });
});
