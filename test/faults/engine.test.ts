import { afterAll, expect, it } from "vitest";
import { configSchema } from "../../src/config/schema.js";
import { createExplainer } from "../../src/explain/explainer.js";
import type { Explainer } from "../../src/explain/explanation.js";
import { silentLogger } from "../../src/log.js";
import { createMetrics } from "../../src/metrics/metrics.js";
import { createOverlayRenderer } from "../../src/overlay/renderer.js";
import type { FrameOutcome, Sink } from "../../src/sinks/sink.js";
import { Station } from "../../src/station/station.js";
import { cutFilm } from "../e2e/films.js";
import { INSPECTION, temporaryFolder } from "../e2e/worker.js";

const config = configSchema.parse({
  model: INSPECTION,
  sources: ["one", "two"].map((name) => ({ name, url: cutFilm(temporaryFolder(), 40) })),
  sinks: [{ kind: "stdout" }],
});
const closers: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closers) await close();
});

/** Writes down which frames came. */
class Recorder implements Sink {
  readonly name = "recorder";
  readonly kinds = new Set(["summary"] as const);
  readonly came: Record<string, number[]> = {};
  async connect() {}
  async write({ source, messages }: FrameOutcome) {
    const came = messages.filter((m) => m.kind === "summary").map((m) => m.sequence);
    this.came[source] = [...(this.came[source] ?? []), ...came];
  }
  verify = () => Promise.resolve(true);
  status = () => ({ connected: true, buffered: 0, published: 0, errors: 0, dropped: 0 });
  async close() {}
}

it("an engine that throws on one frame costs that frame alone, counted, although it came in a batch with others", async () => {
  const real = await createExplainer({
    ...config.explain,
    model: INSPECTION.path,
    engine: "auto",
    device: "auto",
    threads: 0,
  });
  const renderer = createOverlayRenderer();
  closers.push(
    () => real.close(),
    () => renderer.close(),
  );
  let seen = 0;
  let poisoned: unknown;
  const batches: number[] = [];
  const explainer: Explainer = {
    ...real,
    get fault() {
      return real.fault;
    },
    explain: async (batch) => {
      batches.push(batch.length);
      for (const input of batch) if (seen++ === 25) poisoned = input.memory;
      // The same frame fails alone, too.
      if (batch.some(({ memory }) => memory === poisoned)) {
        if (batch.length === 1) poisoned = undefined;
        throw new Error("this frame cannot be explained");
      }
      return real.explain(batch);
    },
  };
  const recorder = new Recorder();
  const metrics = createMetrics();
  const errors: string[] = [];
  const log = { ...silentLogger, error: (text: string) => void errors.push(text) };
  const station = new Station({ config, baseDir: "/", explainer, renderer, sinks: [recorder], metrics, log });
  const { frames, explained } = await station.run();
  expect([frames, explained]).toEqual([80, 79]);
  expect(Math.max(...batches)).toBeGreaterThan(1);
  expect(errors).toHaveLength(1);
  const [, source, sequence] = /^source (\w+), frame (\d+) could not be explained: this frame/.exec(errors[0]!)!;
  for (const name of ["one", "two"]) {
    const all = Array.from({ length: 40 }, (_, i) => i);
    expect(recorder.came[name]).toEqual(all.filter((i) => name !== source || i !== Number(sequence)));
  }
  const { dropped, inFlight } = station.total();
  expect([dropped, inFlight]).toEqual([{ "explain-error": 1 }, 0]);
});
