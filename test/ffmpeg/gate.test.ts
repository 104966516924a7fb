import fc from "fast-check";
import { expect, test } from "vitest";
import { Gate, type Haste } from "../../src/ffmpeg/gate.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("the eager go before the patient, and places are kept free for them", async () => {
  const gate = new Gate(3, 2);
  const order: string[] = [];
  const leaves: (() => void)[] = [];
  const enter = (name: string, haste: Haste) =>
    gate.enter(haste).then((leave) => {
      order.push(name);
      leaves.push(leave);
    });
  for (const name of ["p1", "p2", "p3"]) void enter(name, "patient");
  await settled();
  expect(order).toEqual(["p1", "p2"]);
  for (const name of ["e1", "e2"]) void enter(name, "eager");
  await settled();
  expect(order).toEqual(["p1", "p2", "e1"]);
  leaves[0]!();
  // To leave twice frees no place twice.
  leaves[0]!();
  await settled();
  expect(order).toEqual(["p1", "p2", "e1", "e2"]);
  for (const leave of leaves.slice(1)) leave();
  await settled();
  expect(order).toEqual(["p1", "p2", "e1", "e2", "p3"]);
});

test("whoever is stopped leaves the queue at once, and costs no place", async () => {
  const gate = new Gate(1);
  const leave = await gate.enter("eager");
  const stopped = new AbortController();
  const waiting = gate.enter("eager", stopped.signal);
  const next = gate.enter("patient");
  stopped.abort(new Error("stopped"));
  await expect(waiting).rejects.toThrow("stopped");
  await expect(gate.enter("eager", stopped.signal)).rejects.toThrow("stopped");
  leave();
  await next;
});

test("never are more inside than there are places, and all come in", async () => {
  const hastes = fc.array(fc.constantFrom<Haste>("eager", "patient"), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(hastes, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), async (all, most, few) => {
      const gate = new Gate(most, few);
      const inside = { eager: 0, patient: 0 };
      let came = 0;
      await Promise.all(
        all.map(async (haste) => {
          const leave = await gate.enter(haste);
          inside[haste]++;
          came++;
          expect(inside.eager + inside.patient).toBeLessThanOrEqual(most);
          expect(inside.patient).toBeLessThanOrEqual(few);
          await settled();
          inside[haste]--;
          leave();
        }),
      );
      expect(came).toBe(all.length);
    }),
    { seed: 13, numRuns: 60 },
  );
});
