import { expect, it } from "vitest";
import { configSchema, sourceSchema } from "../../src/config/schema.js";
import { createExplainer } from "../../src/explain/runtime/explainer.js";
import { silentLogger } from "../../src/log.js";
import { createMetrics } from "../../src/metrics/metrics.js";
import { createOverlayRenderer } from "../../src/overlay/renderer.js";
import { FrameBudget } from "../../src/pipeline/index.js";
import { Station } from "../../src/station/station.js";
import { cutFilm } from "../e2e/films.js";
import { INSPECTION, temporaryFolder } from "../e2e/worker.js";
import { until } from "../support/sinks.js";

it("an added source for which there is no room waits for it, a film too; one that is over leaves its room to others", async (t) => {
  const config = configSchema.parse({ model: INSPECTION, sources: [], sinks: [{ kind: "stdout" }] });
  const engine = { engine: "auto", device: "auto", threads: 0 } as const;
  const explainer = await createExplainer({ ...config.explain, model: INSPECTION.path, ...engine });
  const renderer = createOverlayRenderer();
  // For one of them.
  const budget = new FrameBudget(Number.POSITIVE_INFINITY, 1.5 * 160 * 120 * 25);
  const station = new Station({
    ...{ station: config.station, batches: config.engine, sources: [], baseDir: "/" },
    ...{ settings: { current: { ...config, explainer } }, renderer, budget, sinks: [] },
    ...{ metrics: createMetrics(), log: silentLogger },
  });
  const running = station.run();
  t.onTestFinished(async () => {
    await station.stop();
    await running;
    await explainer.close();
    await renderer.close();
  });
  const film = cutFilm(temporaryFolder(), 10);
  const add = (name: string, url: string) => station.add(sourceSchema.parse({ name, url, width: 160, height: 120 }));
  const of = (name: string) => station.statuses().find(({ source }) => source === name)!;
  const wait = (what: string, holds: () => boolean) => until(what, holds, 50_000);
  add("camera", "testsrc");
  await wait("the camera", () => of("camera").state === "live");
  add("film", film);
  await wait("the film to be refused", () => of("film").state === "failed");
  expect(of("film").reason).toBe(
    "its decoder cannot be started: all sources would have 1 million pixels a second, more than the 1 of limits.pixelsPerSecond; it waits until others are gone",
  );
  await station.remove("camera");
  await wait("the film's end", () => of("film").state === "ended");
  add("next", film);
  await wait("the next film's end", () => of("next").state === "ended");
  expect(of("next").ledger.captured).toBe(10);
}, 120_000);
