import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { InOrder } from "../src/in-order.js";

test("work settles in the order it was given, whichever piece is done first", async () => {
  const order = new InOrder();
  const seen: string[] = [];
  const slow = order.next(sleep(40, "slow")).then((v) => seen.push(v));
  const failing = order
    .next(sleep(20).then(() => Promise.reject(new Error("failed"))))
    .catch((e: Error) => seen.push(e.message));
  const quick = order.next(Promise.resolve("quick")).then((v) => seen.push(v));
  await Promise.all([slow, failing, quick]);
  await order.settled;
  expect(seen).toEqual(["slow", "failed", "quick"]);
});

test("results that are finished are not kept", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const order = new InOrder();
  const results: WeakRef<object>[] = [];
  for (let k = 0; k < 100; k++) {
    const result = { heatmap: new Uint8Array(1000) };
    results.push(new WeakRef(result));
    await order.next(Promise.resolve(result));
  }
  await sleep(10);
  collect();
  expect(results.filter((r) => r.deref() !== undefined).length).toBeLessThan(5);
});
