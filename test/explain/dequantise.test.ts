import { describe, expect, it } from "vitest";
import { dequantise } from "../../src/explain/dequantise.js";

describe("whole numbers stand for scale · (whole - zero point)", () => {
  it("with one scale for all", () => {
    const real = dequantise([0, 128, 255], [3], { scales: [0.5], zeroPoints: [128], axis: 0 });
    expect([...real]).toEqual([-64, 0, 63.5]);
  });

  it("with one scale for each index of an axis, whichever it is", () => {
    const whole = [1, 2, 3, 4, 5, 6];
    const given = { scales: [1, 10], zeroPoints: [0, 1], axis: 0 };
    expect([...dequantise(whole, [2, 3], given)]).toEqual([1, 2, 3, 30, 40, 50]);
    expect([...dequantise(whole, [3, 2], { ...given, axis: 1 })]).toEqual([1, 10, 3, 30, 5, 50]);
    expect([...dequantise(whole, [1, 2, 3], { ...given, axis: 1 })]).toEqual([1, 2, 3, 30, 40, 50]);
  });

  it("with no zero point where none is given", () => {
    expect([...dequantise([-3, 4], [2], { scales: [2], zeroPoints: [], axis: 0 })]).toEqual([-6, 8]);
  });
});
