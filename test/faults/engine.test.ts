import { afterAll, expect, it } from "vitest";
import { configSchema } from "../../src/config/schema.js";
import type { Explainer } from "../../src/explain/explanation.js";
import { explainEach } from "../../src/explain/runtime/explain-each.js";
import { createExplainer } from "../../src/explain/runtime/explainer.js";
import { silentLogger } from "../../src/log.js";
import type { FrameOutcome } from "../../src/messages/message.js";
import { createMetrics } from "../../src/metrics/metrics.js";
import { createOverlayRenderer } from "../../src/overlay/renderer.js";
import type { Sink } from "../../src/sinks/sink.js";
import { Station } from "../../src/station/station.js";
import { cutFilm } from "../e2e/films.js";
import { INSPECTION, temporaryFolder } from "../e2e/worker.js";
import { pause, until } from "../support/sinks.js";

const configOf = (sources: object[]) => configSchema.parse({ model: INSPECTION, sources, sinks: [{ kind: "stdout" }] });
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

/** A real explainer that throws on one frame, in its batch and alone. `pick` is asked of each frame, in their order. */
async function poisoned(pick: (nth: number) => boolean) {
  const real = await createExplainer({
    ...configOf([{ name: "none", url: "testsrc" }]).explain,
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
  let bad: unknown;
  const batches: number[] = [];
  const explain: Explainer["explain"] = async (batch) => {
    batches.push(batch.length);
    for (const input of batch) if (pick(seen++)) bad = input.memory;
    if (batch.some(({ memory }) => memory === bad)) {
      if (batch.length === 1) bad = undefined;
      throw new Error("this frame cannot be explained");
    }
    return real.explain(batch);
  };
  const explainer: Explainer = {
    ...real,
    get fault() {
      return real.fault;
    },
    explain,
    explainEach: explainEach(explain),
  };
  return { explainer, renderer, batches };
}

function stationOf(
  config: ReturnType<typeof configOf>,
  { explainer, renderer }: Pick<Awaited<ReturnType<typeof poisoned>>, "explainer" | "renderer">,
) {
  const recorder = new Recorder();
  const errors: string[] = [];
  const log = { ...silentLogger, error: (text: string) => void errors.push(text) };
  const metrics = createMetrics();
  const station = new Station({
    ...{ station: config.station, batches: config.engine, sources: config.sources, baseDir: "/" },
    ...{ settings: { current: { ...config, explainer } }, renderer, sinks: [recorder], metrics, log },
  });
  return { station, recorder, errors };
}

it("an engine that throws on one frame costs that frame alone, counted, although it came in a batch with others", async () => {
  const { batches, ...parts } = await poisoned((nth) => nth === 25);
  const films = ["one", "two"].map((name) => ({ name, url: cutFilm(temporaryFolder(), 40) }));
  const { station, recorder, errors } = stationOf(configOf(films), parts);
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

it("an engine that throws on a frame of four live sources changes no source's pace", async () => {
  const parts = await poisoned((nth) => nth === 120);
  const cameras = [1, 2, 3, 4].map((i) => ({ name: `cam-${i}`, url: "testsrc", width: 320, fps: 10 }));
  const { station, errors } = stationOf(configOf(cameras), parts);
  const over = station.run();
  const captured = () => station.statuses().map(({ ledger }) => ledger.captured);
  await until("every source to be live", () => captured().every((count) => count > 5));
  const [before, from] = [captured(), performance.now()];
  await pause(8000);
  const seconds = (performance.now() - from) / 1000;
  const rates = captured().map((count, i) => (count - before[i]!) / seconds);
  for (const rate of rates) expect(Math.abs(rate - 10), `${rate}`).toBeLessThanOrEqual(0.5 + 1 / seconds);
  await station.stop();
  await over;
  expect(errors).toHaveLength(1);
  const { dropped, inFlight } = station.total();
  expect([dropped["explain-error"], inFlight]).toEqual([1, 0]);
});
