import { describe, expect, it } from "vitest";
import { BatchFormer } from "../../src/fleet/batch-former.js";
import { until } from "../support/sinks.js";

/** A former whose batches end when they are told to. */
function formed(maxBatch: number, maxWaitMs: number) {
  const batches: (readonly number[])[] = [];
  const ends: (() => void)[] = [];
  const former = new BatchFormer<number>({
    maxBatch,
    maxWaitMs,
    run(batch) {
      batches.push(batch);
      return new Promise((resolve) => ends.push(resolve));
    },
  });
  return { former, batches, ends };
}
const LONG_MS = 3_600_000;

describe("batches of an explain worker", () => {
  it("begin at once when they are full, two at a time, in the order in which frames came", async () => {
    const { former, batches, ends } = formed(2, LONG_MS);
    for (let k = 0; k < 6; k++) former.add(k);
    expect(batches).toEqual([
      [0, 1],
      [2, 3],
    ]);
    ends[0]!();
    await until("the next", () => batches.length === 3);
    expect(batches[2]).toEqual([4, 5]);
    expect(former.capacity).toBe(6);
  });

  it("wait for more when they are not full and nothing is under way, and no longer than they may", async () => {
    const { former, batches } = formed(8, 1);
    former.add(0);
    expect(batches).toEqual([]);
    await until("it to begin", () => batches.length === 1);
    expect(batches).toEqual([[0]]);
  });

  it("that are not full wait for the one under way", async () => {
    const { former, batches, ends } = formed(2, 1);
    for (let k = 0; k < 3; k++) former.add(k);
    await new Promise((done) => setTimeout(done, 20));
    expect(batches).toEqual([[0, 1]]);
    ends[0]!();
    await until("the rest", () => batches.length === 2);
    expect(batches[1]).toEqual([2]);
  });

  it("give back what is not begun, which then never is", async () => {
    const { former, batches, ends } = formed(2, 1);
    for (let k = 0; k < 5; k++) former.add(k);
    expect(former.takeBack()).toEqual([4]);
    for (const end of ends) end();
    await new Promise((done) => setTimeout(done, 20));
    expect(batches.flat()).toEqual([0, 1, 2, 3]);
  });
});
