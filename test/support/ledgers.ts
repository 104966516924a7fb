import { expect } from "vitest";
import type { SourceStatus } from "../../src/messages/summary.js";
import type { Metrics } from "../e2e/worker.js";

/** `captured = explained + classified + Σ dropped + in flight + queued`, in every status. */
export function expectExactLedgers(statuses: readonly SourceStatus[]): void {
  for (const { ledger } of statuses) {
    const { captured, explained, classified, dropped, inFlight, queued = 0 } = ledger;
    const lost = Object.values(dropped).reduce((sum, n) => sum + n, 0);
    expect(explained + classified + lost + inFlight + queued, JSON.stringify(ledger)).toBe(captured);
  }
}

/** The same in one scrape, for every source and the whole station; each source is in exactly one state. */
export function expectExact(metrics: Metrics): void {
  const balance = (of: (name: string) => number): number =>
    of("captured") - of("explained") - of("classified") - of("dropped");
  const states = metrics.families.get("video_explainer_source_state")!.samples;
  for (const source of new Set(states.map((s) => s.labels.source!))) {
    const left = balance((name) => metrics.value(`frames_${name}_total`, { source }));
    const out = metrics.value("frames_queued", { source });
    expect(left, source).toBe(metrics.value("frames_in_flight", { source }) + out);
    const own = states.filter((s) => s.labels.source === source).map((s) => s.value);
    expect(
      own.reduce((a, b) => a + b, 0),
      `states of ${source}`,
    ).toBe(1);
  }
  const left = balance((outcome) => metrics.value("station_frames_total", { outcome }));
  expect(left, "all sources").toBe(metrics.value("station_frames_in_flight") + metrics.value("station_frames_queued"));
}
