import { expect, test } from "vitest";
import { frameLayout } from "../../src/frame.js";
import { claimOf, FrameBudget } from "../../src/pipeline/frame-budget.js";
import { open, until } from "./helpers.js";

const layout = frameLayout(1920, 1080, undefined, { fit: "stretch", inputWidth: 224, inputHeight: 224 });
const GIB = 2 ** 30;

test("sources have room together until their memory or their pixels are beyond the budget", () => {
  const budget = new FrameBudget(GIB, 200e6);
  const camera = claimOf(layout, 12);
  expect(camera).toEqual({ bytes: 1920 * 3 * (1080 + 224) * 12, pixelsPerSecond: 1920 * 1080 * 25 });
  for (const name of ["a", "b", "c"]) {
    expect(budget.excess(name, camera)).toBeUndefined();
    expect([budget.claim(name, camera), budget.claim(name, { ...camera })]).toEqual([true, false]);
  }
  expect(budget.excess("d", camera)).toBe(
    "all sources would have 207 million pixels a second, more than the 200 of limits.pixelsPerSecond",
  );
  expect(budget.excess("d", claimOf(layout, 12, 1))).toBeUndefined();
  expect(budget.excess("d", claimOf(layout, 120, 1))).toBe(
    "the frames of all sources would take 1.1 GiB of memory, more than the 1.0 GiB of limits.frameBytes",
  );
  // One that connects anew takes its own place, and one that is gone leaves room.
  expect(budget.excess("c", camera)).toBeUndefined();
  budget.release("a");
  expect(budget.excess("d", camera)).toBeUndefined();
});

test("a source for which there is no room starts no decoder and says why", async (t) => {
  const refuse = (): void => {
    throw new Error("no room");
  };
  const { source, ledger } = open({ url: "testsrc" }, { onClaim: refuse, timing: { delay: () => 60_000 } });
  t.onTestFinished(() => source.stop());
  await until(() => source.status().state === "failed", "it fails");
  expect(source.status().reason).toBe("no room");
  expect([source.pid, ledger.snapshot().captured]).toEqual([undefined, 0]);
});

test("what may no longer be opened is not connected again", async (t) => {
  let connections = 0;
  const admit = async (): Promise<void> => {
    if (++connections > 1) throw new Error("not any more");
  };
  const { source } = open({ url: "tcp://127.0.0.1:1" }, { admit, timing: { delay: () => 10 } });
  t.onTestFinished(() => source.stop());
  await until(() => connections > 1 && source.status().reason === "not any more", "it is refused");
});
