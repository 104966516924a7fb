import { setTimeout as sleep } from "node:timers/promises";
import { AsyncSubject, of, Subject, throwError } from "rxjs";
import { expect, test } from "vitest";
import { inOrder } from "../../src/station/in-order.js";
import { collectGarbage } from "../support/collect-garbage.js";

test("work is begun at once and its results come in the order it was given, whichever piece is done first", () => {
  const [values$, work] = [new Subject<number>(), [0, 1, 2].map(() => new Subject<string>())];
  const seen: string[] = [];
  values$.pipe(inOrder((k) => work[k]!)).subscribe({ next: (v) => seen.push(v), complete: () => seen.push("over") });
  for (const k of work.keys()) values$.next(k);
  values$.complete();
  expect(work.map((each) => each.observed)).toEqual([true, true, true]);
  for (const k of [2, 1, 0]) {
    expect(seen).toEqual([]);
    work[k]!.next(`${k}`);
    work[k]!.complete();
  }
  expect(seen).toEqual(["0", "1", "2", "over"]);
});

test("work that fails ends what comes of it in its turn", () => {
  const [values$, slow] = [new Subject<number>(), new AsyncSubject<string>()];
  const seen: string[] = [];
  const work = (k: number) => (k === 0 ? slow : throwError(() => new Error("failed")));
  values$.pipe(inOrder(work)).subscribe({ next: (v) => seen.push(v), error: (e: Error) => seen.push(e.message) });
  values$.next(0);
  values$.next(1);
  expect(seen).toEqual([]);
  slow.next("slow");
  slow.complete();
  expect(seen).toEqual(["slow", "failed"]);
});

test("results that are finished are not kept", async () => {
  const values$ = new Subject<object>();
  values$.pipe(inOrder((value) => of(value))).subscribe();
  const results: WeakRef<object>[] = [];
  for (let k = 0; k < 100; k++) {
    const result = { heatmap: new Uint8Array(1000) };
    results.push(new WeakRef(result));
    values$.next(result);
    await sleep(0);
  }
  await sleep(10);
  collectGarbage();
  expect(results.filter((r) => r.deref() !== undefined).length).toBeLessThan(5);
});
