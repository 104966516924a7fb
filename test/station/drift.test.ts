import { describe, expect, it } from "vitest";
import { DriftMonitor, FALSE_ALARM_RATE, type Found } from "../../src/station/drift.js";
import { noise } from "../explain/random/writer.js";

const SIDE = 8;
const WINDOW = 30;
/** Explained frames of an hour at ten a second. */
const HOUR = 36_000;

/** A line whose parts come to lie a little elsewhere each time: relevance around a place of each class, of a size that varies. */
function line(seed: number, places: Record<string, [x: number, y: number]>) {
  const random = noise(seed);
  const labels = Object.keys(places);
  return (dx = 0, dy = 0, only?: string): Found => {
    const label = only ?? labels[Math.floor(((random() + 1) / 2) * labels.length) % labels.length]!;
    const [x, y] = places[label]!;
    const [cx, cy, width] = [x + dx + 0.5 * random(), y + dy + 0.5 * random(), 1.2 + 0.4 * random()];
    const cells = Array.from({ length: SIDE * SIDE }, (_, i) => {
      const [u, v] = [(i % SIDE) - cx, Math.floor(i / SIDE) - cy];
      return Math.exp(-(u * u + v * v) / (2 * width * width)) * (1 + 0.2 * random());
    });
    const sum = cells.reduce((all, v) => all + v, 0);
    const relevance = {
      density: cells.map((v) => v / sum),
      positive: 0.8 + 0.05 * random(),
      concentration: 0.6 + 0.1 * random(),
      peakShare: 0.2 + 0.05 * random(),
      border: 0.05 + 0.02 * random(),
    };
    // Classes differ in more than their places.
    return { target: { label, probability: (label === "pass" ? 0.9 : 0.7) + 0.1 * random() }, relevance };
  };
}
const PLACES = { pass: [3, 3], hole: [5, 2] } satisfies Record<string, [number, number]>;

const named = (label: string, found: Found): Found => ({ ...found, target: { ...found.target, label } });

function learned(next: ReturnType<typeof line>): DriftMonitor {
  const monitor = new DriftMonitor(WINDOW);
  for (let k = 1; k < 40 * WINDOW; k++) monitor.add(next());
  expect(monitor.hasLearned).toBe(false);
  monitor.add(next());
  expect(monitor.hasLearned).toBe(true);
  return monitor;
}

describe("a monitor of drift", () => {
  it("says nothing in an hour of an unchanged line, nor while it learns", () => {
    for (const seed of [1, 2]) {
      const next = line(seed, PLACES);
      const monitor = learned(next);
      let alarms = 0;
      for (let k = 0; k < HOUR; k++) {
        monitor.add(next());
        if (monitor.isDrifting) alarms++;
      }
      expect(alarms).toBe(0);
    }
  });

  it("raises no more false alarms than it is made for, over many baselines", () => {
    const windows = 4000;
    let alarms = 0;
    for (let seed = 0; seed < 40; seed++) {
      const next = line(seed + 100, PLACES);
      const monitor = learned(next);
      for (let w = 0; w < windows / 40; w++) {
        for (let k = 0; k < WINDOW; k++) monitor.add(next());
        if (monitor.isDrifting) alarms++;
      }
    }
    // 0.04 are to be expected.
    expect(alarms).toBeLessThanOrEqual(Math.ceil(10 * windows * FALSE_ALARM_RATE));
  });

  it("says so within two windows when relevance moves by a cell, and no more once it is back", () => {
    const next = line(4, PLACES);
    const monitor = learned(next);
    for (let k = 0; k < 2 * WINDOW; k++) monitor.add(next(1, 0));
    expect(monitor.isDrifting).toBe(true);
    for (let k = 0; k < 2 * WINDOW; k++) monitor.add(next());
    expect(monitor.isDrifting).toBe(false);
  });

  it.each(["probability", "positive", "concentration", "peakShare", "border"] as const)(
    "says so when the %s is another, higher or lower",
    (figure) => {
      const next = line(8, PLACES);
      const monitor = learned(next);
      for (const factor of [1.5, 0.5]) {
        for (let k = 0; k < WINDOW; k++) {
          const { target, relevance } = next();
          if (figure === "probability") target.probability *= factor;
          else relevance[figure] *= factor;
          monitor.add({ target, relevance });
        }
        expect(monitor.isDrifting).toBe(true);
        for (let k = 0; k < WINDOW; k++) monitor.add(next());
        expect(monitor.isDrifting).toBe(false);
      }
    },
  );

  it("does not take a run of one class for a drift, but relevance in its wrong place", () => {
    const next = line(5, PLACES);
    const monitor = learned(next);
    for (let k = 0; k < 10 * WINDOW; k++) monitor.add(next(0, 0, "hole"));
    expect(monitor.isDrifting).toBe(false);
    // As if it were a pass that lies where holes do.
    for (let k = 0; k < WINDOW; k++) {
      const { relevance } = next(0, 0, "pass");
      monitor.add({ ...next(0, 0, "hole"), relevance });
    }
    expect(monitor.isDrifting).toBe(true);
  });

  it("compares a class that it has not learned with all that it has", () => {
    const next = line(6, PLACES);
    const monitor = learned(next);
    for (let k = 0; k < WINDOW; k++) monitor.add(named("never seen", next(-3, 4)));
    expect(monitor.isDrifting).toBe(true);
  });

  it("takes no rounding for a drift where a figure is at rest", () => {
    const still = (probability: number): Found => ({
      target: { label: "pass", probability },
      relevance: { density: [0.5, 0.5], positive: 1, concentration: 0.6, peakShare: 0.2, border: 0 },
    });
    const monitor = learned(() => still(1));
    const driftsAt = (probability: number): boolean => {
      for (let k = 0; k < WINDOW; k++) monitor.add(still(probability));
      return monitor.isDrifting;
    };
    expect([1 - 2 ** -24, 0.99].map(driftsAt)).toEqual([false, true]);
  });

  it("keeps a bounded number of classes while it learns, and then those with a baseline of their own", () => {
    const next = line(7, PLACES);
    const monitor = new DriftMonitor(WINDOW);
    for (let k = 1; k < 20 * WINDOW; k++) monitor.add(k % 2 ? next() : named(`class ${k}`, next()));
    expect(monitor.classes).toBe(200);
    monitor.add(next());
    expect(monitor.classes).toBe(2);
  });
});
