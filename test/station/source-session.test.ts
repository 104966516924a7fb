import { expect, it } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import { createMetrics } from "../../src/metrics/metrics.js";
import { Ledger } from "../../src/pipeline/index.js";
import { defaultWarnings } from "../../src/station/settings.js";
import { SourceSession } from "../../src/station/source-session.js";
import { FakeSource } from "./support/fake-source.js";
import { configured, explanationOf } from "./support/stage.js";

const EVERY = { every: 1, when: null };

function opened(more: Partial<SourceConfig> = {}) {
  let source!: FakeSource;
  const metrics = createMetrics();
  const view = { inputWidth: 4, inputHeight: 4, fit: "stretch", baseDir: "/" } as const;
  const session = new SourceSession(
    { ...configured("belt"), ...more },
    {
      ...{ ...view, openedAt: 0, counts: metrics.source("belt"), total: new Ledger("line-1") },
      open: (config, options, ledger) => {
        source = new FakeSource(config, options, ledger);
        return source;
      },
    },
  );
  const seen: string[] = [];
  session.over$.subscribe({ next: () => seen.push("over"), complete: () => seen.push("complete") });
  return { session, source, seen, metrics };
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

it("tells the explainer where its interest lies on what the model sees", () => {
  const interest = { x: 2, y: 1, width: 2, height: 1 };
  const { session, source } = opened({ interest });
  source.give(1);
  const frame = source.take()!;
  const { rect } = frame.layout.placement;
  expect(session.begin(frame, EVERY).input.interest).toEqual({
    left: (2 - rect.x) / rect.width,
    right: (4 - rect.x) / rect.width,
    top: (1 - rect.y) / rect.height,
    bottom: (2 - rect.y) / rect.height,
  });
  session.drop(frame, "shutdown");
});

it("hands the mask of what a frame shows to who explains it, and counts how decisions and relevance agree with it", async () => {
  const { session, source, metrics } = opened();
  source.give(1);
  const mask = { inside: Uint8Array.from({ length: 16 }, (_, i) => i % 2), area: 0.5 };
  const frame = { ...source.take()!, truth: { label: "hole", mask } };
  expect(session.begin(frame, EVERY).input.mask).toBe(mask.inside);
  expect(session.begin(frame, { every: 2, when: null }).input.mask).toBeUndefined();
  for (const label of ["hole", "hole", "ok"]) {
    const explanation = explanationOf(session.begin(frame, EVERY).input, 1, [{ index: 0, label, probability: 1 }]);
    explanation.relevance!.insideMask = 0.75;
    session.record({ frame, explanation, explainer: {}, why: [] } as never, defaultWarnings());
  }
  const text = await metrics.render();
  expect(text).toContain('decisions_checked_total{source="belt",outcome="right"} 2\n');
  expect(text).toContain('decisions_checked_total{source="belt",outcome="wrong"} 1\n');
  expect(text).toContain('relevance_inside_mask_sum{source="belt"} 2.25\n');
  session.drop(frame, "shutdown");
});

it("learns where relevance lies anew when another explainer takes over, or a reload has set another window", () => {
  const { session, source } = opened();
  const found = (cell: number, engine: object, driftFrames = 5) => {
    source.give(1);
    const frame = source.take()!;
    const explanation = explanationOf(session.begin(frame, EVERY).input);
    explanation.relevance!.density = [cell === 0 ? 1 : 0, cell === 1 ? 1 : 0];
    session.drop(frame, "shutdown");
    const limits = { ...defaultWarnings(), driftFrames };
    return session.record({ frame, explanation, explainer: engine, why: [] } as never, limits).warnings;
  };
  const [first, other] = [{}, {}];
  for (let k = 0; k < 200; k++) expect(found(0, first)).toEqual([]);
  for (let k = 0; k < 4; k++) expect(found(1, first)).toEqual([]);
  expect(found(1, first)).toEqual(["drift"]);
  for (let k = 0; k < 205; k++) expect(found(1, other)).toEqual([]);
  for (let k = 0; k < 6; k++) expect(found(0, other, 6)).toEqual([]);
});

it("compares nothing where driftFrames is 0", () => {
  const explainer = {};
  const { session, source } = opened();
  for (let k = 0; k < 210; k++) {
    source.give(1);
    const frame = source.take()!;
    const explanation = explanationOf(session.begin(frame, EVERY).input);
    explanation.relevance!.density = k < 200 ? [1, 0] : [0, 1];
    session.drop(frame, "shutdown");
    const found = { frame, explanation, explainer, why: [] } as never;
    expect(session.record(found, { ...defaultWarnings(), driftFrames: 0 }).warnings).toEqual([]);
  }
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
