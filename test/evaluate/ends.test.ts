import { describe, expect, it } from "vitest";
import { endsOf } from "../../src/evaluate/ends.js";
import type { Item } from "../../src/evaluate/worker-messages.js";

const item = (index: number, ...image: number[]): Item => ({
  ...{ index, targets: [0], isDisturbed: false },
  pixels: { image: Uint8Array.from(image), masks: [], filled: { x: 0, y: 0, width: 2, height: 1 } },
});

describe("the ends of an image's curves", () => {
  it("are computed once for all methods, of each image and baseline", async () => {
    const asked: number[][] = [];
    const ends = endsOf({
      ...{ width: 2, height: 1 },
      async probabilities(frames) {
        asked.push([...frames]);
        return [Float32Array.of(1, 0), Float32Array.of(0.25, 0.75)];
      },
    });
    const first = await ends(item(0, 0, 10, 20, 100, 110, 120), "mean");
    expect([...first.empty]).toEqual([50, 60, 70, 50, 60, 70]);
    expect([[...first.whole], [...first.none]]).toEqual([
      [1, 0],
      [0.25, 0.75],
    ]);
    expect(asked).toEqual([[0, 10, 20, 100, 110, 120, 50, 60, 70, 50, 60, 70]]);

    expect(await ends(item(0, 0, 10, 20, 100, 110, 120), "mean")).toBe(first);
    expect(asked).toHaveLength(1);
    await ends(item(0, 0, 10, 20, 100, 110, 120), "blur");
    await ends(item(1, 0, 10, 20, 100, 110, 120), "mean");
    expect(asked).toHaveLength(3);
  });
});
