import { expect, it } from "vitest";
import { fromInt64, toInt64 } from "../../../src/explain/proto/int64.js";

const NUMBERS = [0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 32, -(2 ** 32), 2 ** 53 - 1, 1 - 2 ** 53, 2 ** 62, -(2 ** 63)];

it("numbers become the 64-bit integers that they are, and the same numbers again", () => {
  const integers = toInt64(NUMBERS);
  expect([...integers]).toEqual(NUMBERS.map((v) => BigInt(v)));
  expect([...fromInt64(integers)]).toEqual(NUMBERS);
});

it("what is beyond 64 bits becomes the nearest that they hold", () => {
  expect([...toInt64([1e30, 2 ** 63, -1e30])]).toEqual([2n ** 63n - 1n, 2n ** 63n - 1n, -(2n ** 63n)]);
});

it("integers without a sign are read as such", () => {
  expect([...fromInt64(BigUint64Array.of(5n, 2n ** 63n))]).toEqual([5, 2 ** 63]);
});
