import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { configSchema } from "../../src/config/schema.js";
import { silentLogger } from "../../src/log.js";
import { FrameBudget } from "../../src/pipeline/index.js";
import { Settings } from "../../src/station/settings.js";
import { StationControl } from "../../src/station/station-control.js";
import { configured, running } from "./support/stage.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function controlled({ count = 64, budget }: { count?: number; budget?: FrameBudget } = {}) {
  const set = await running({ belt: 0 });
  const config = configSchema.parse({
    ...{ station: "line-1", model: { path: "m" }, sources: [configured("belt")], sinks: [{ kind: "stdout" }] },
    control: { sources: { count } },
  });
  const { explainer, renderer, station } = set;
  const parts = { log: silentLogger, createExplainer: async () => explainer, retire: async () => {} };
  const settings = new Settings({ ...config, explainer }, parts);
  const control = new StationControl({ station, config, settings, renderer, baseDir: "/", budget });
  return { ...set, control, settings };
}

it("what contradicts itself in a source that is to be added is named by its key, all of it at once", async () => {
  const { control } = await controlled();
  const source = configured("cam", { url: "rtsp://host/path", loop: true, pace: "fast" });
  await expect(control.addSource(source)).rejects.toThrow(
    /^loop has no meaning for a live source \(rtsp\); leave it out; pace has no meaning for a live source \(rtsp\); leave it out$/,
  );
  const region = { x: 0, y: 0, width: 500, height: 10 };
  await expect(control.addSource(configured("cam", { region, width: 320 }))).rejects.toThrow(
    "region reaches to x = 500, beyond the frame's width of 320; make it smaller",
  );
});

it("so many sources may be added as the configuration says, and a removed one makes room", async () => {
  const { control, source } = await controlled({ count: 1 });
  expect(await control.addSource(configured("one"))).toMatchObject({ source: "one", state: "connecting" });
  await expect(control.addSource(configured("two"))).rejects.toThrow("1 sources were added at run time");
  await control.removeSource("one");
  await control.addSource(configured("two"));
  expect(source("two").options).toMatchObject({ inputWidth: 4, inputHeight: 4, fit: "stretch", baseDir: "/" });
  expect(control.config().sources.map(({ name }) => name)).toEqual(["belt", "two"]);
});

it("a source for which there is no room is refused before it is opened", async () => {
  const { control, station } = await controlled({ budget: new FrameBudget(1000, 1e9) });
  await expect(control.addSource(configured("large"))).rejects.toThrow(
    /more than .* of limits\.frameBytes; make width/,
  );
  expect(station.sources.map(({ name }) => name)).toEqual(["belt"]);
});

it("tells the configuration as it is now, and the frames of all sources as the station counts them", async () => {
  const { control, settings, source } = await controlled();
  await control.change({ explain: { top: 2 }, overlay: { quality: 70 } });
  expect(control.config()).toMatchObject({ explain: { top: 2 }, overlay: { quality: 70 }, station: "line-1" });
  expect(settings.current.explain.top).toBe(2);
  source().ledger.captured();
  source().ledger.dropped("stale");
  const { sources, total } = control.sources();
  expect(sources.map((status) => status.source)).toEqual(["belt"]);
  expect(total).toMatchObject({ captured: 1, dropped: { stale: 1 } });
});
