import { expect, it } from "vitest";
import { createMetrics } from "../../src/metrics/metrics.js";
import { Ledger } from "../../src/pipeline/index.js";
import { SourceSession } from "../../src/station/source-session.js";
import { FakeSource } from "./support/fake-source.js";
import { configured } from "./support/stage.js";

function opened() {
  let source!: FakeSource;
  const view = { inputWidth: 4, inputHeight: 4, fit: "stretch", baseDir: "/" } as const;
  const session = new SourceSession(configured("belt"), {
    ...{ ...view, openedAt: 0, counts: createMetrics().source("belt"), total: new Ledger("line-1") },
    open: (config, options, ledger) => {
      source = new FakeSource(config, options, ledger);
      return source;
    },
  });
  const seen: string[] = [];
  session.over$.subscribe({ next: () => seen.push("over"), complete: () => seen.push("complete") });
  return { session, source, seen };
}

it("is over when its source is and the last of its frames is accounted for, once, however often nothing was on its way", () => {
  const { session, source, seen } = opened();
  source.give(1);
  session.drop(source.take()!, "explain-error");
  expect(seen).toEqual([]);
  source.give(3);
  source.end();
  const frames = [source.take()!, source.take()!];
  for (const frame of frames) session.drop(frame, "explain-error");
  expect(seen).toEqual([]);
  session.drop(source.take()!, "shutdown");
  expect(seen).toEqual(["over", "complete"]);
  expect(source.releases).toBe(4);
});

it("is over at its source's end when nothing is on its way, also for who asks later", () => {
  const { session, source, seen } = opened();
  source.end("failed", "it never came");
  expect(seen).toEqual(["over", "complete"]);
  let late = false;
  session.over$.subscribe(() => {
    late = true;
  });
  expect(late).toBe(true);
});
