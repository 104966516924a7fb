import { expect, it } from "vitest";
import { BoundedSemaphore } from "../src/bounded-semaphore.js";

/** Work that ends when it is told to. */
function work() {
  let end = (): void => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { end, run: () => over };
}

it("lets so much work run at a time, the rest in the order it came, and refuses what is too much", async () => {
  const slots = new BoundedSemaphore(2, 2);
  const began: number[] = [];
  const works = Array.from({ length: 5 }, work);
  const settled = works.map(({ run }, i) =>
    slots.run(async () => {
      began.push(i);
      await run();
      return i;
    }),
  );
  await expect(settled[4]).rejects.toMatchObject({ code: "busy" });
  expect(began).toEqual([0, 1]);
  works[1]!.end();
  expect(await settled[1]).toBe(1);
  expect(began).toEqual([0, 1, 2]);
  for (const { end } of works) end();
  expect(await Promise.all(settled.slice(0, 4))).toEqual([0, 1, 2, 3]);
  expect(began).toEqual([0, 1, 2, 3]);
});

it("gives a slot back when its work fails, and says when nothing runs any more", async () => {
  const slots = new BoundedSemaphore(1, 1);
  await slots.whenIdle();
  const failing = slots.run(() => Promise.reject(new Error("no")));
  const next = slots.run(async () => "yes");
  const idle = slots.whenIdle().then(() => "idle");
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("yes");
  expect(await idle).toBe("idle");
});
