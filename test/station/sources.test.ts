import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SourceConfig } from "../../src/config/schema.js";
import { after, configured, RecordingSink, running, settled } from "./support/stage.js";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2024, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a source that is removed", () => {
  it("is stopped; what it had queued is still delivered before the answer, and it is forgotten everywhere", async () => {
    const { explainer, source, station, sink, metrics } = await running({ belt: 3, camera: 0 }, { maxBatch: 2 });
    const removal = station.remove("belt");
    await settled();
    expect(source().stopped).toBe(true);
    expect(station.statuses().map((status) => status.source)).toEqual(["belt", "camera"]);
    await explainer.answer(0);
    await explainer.answer(1);
    expect(await removal).toMatchObject({ source: "belt", state: "ended", ledger: { explained: 3, inFlight: 0 } });
    expect(sink.came).toEqual(["belt 0", "belt 1", "belt 2"]);
    expect(sink.forgotten).toEqual(["belt"]);
    expect(sink.statuses.at(-1)).toMatchObject({ source: "belt", state: "ended", ledger: { inFlight: 0 } });
    expect(station.statuses().map((status) => status.source)).toEqual(["camera"]);
    expect(await metrics.render()).not.toContain('source="belt"');
    expect(station.total()).toMatchObject({ captured: 3, explained: 3 });
  });

  it("is gone after five seconds though its frames are held up; those queued count as shutdown, the rest settles later", async () => {
    const { explainer, source, station, sink } = await running({ belt: 6 }, { maxBatch: 2 });
    const first = source();
    const removal = station.remove("belt");
    await after(4990);
    expect(source().ledger.inFlight).toBe(6);
    await after(20);
    expect(await removal).toMatchObject({ ledger: { dropped: { shutdown: 2 }, inFlight: 4 } });
    // A new one of that name is another source.
    station.add(configured("belt"));
    await explainer.answer(0);
    await explainer.answer(1);
    expect(sink.came).toEqual(["belt 0", "belt 1", "belt 2", "belt 3"]);
    expect([source().ledger.snapshot().captured, station.total().explained, first.releases]).toEqual([0, 4, 6]);
    expect(first.ledger.inFlight).toBe(0);
  });

  it("is removed once, however often that is asked for, and its name is taken until then", async () => {
    const { explainer, station } = await running({ belt: 1 });
    const removals = [station.remove("belt"), station.remove("belt")];
    await settled();
    expect(() => station.add(configured("belt"))).toThrow(
      "source belt is still being removed; add it when that is done",
    );
    await explainer.answer(0);
    const [one, two] = await Promise.all(removals);
    expect(one).toBe(two);
    await expect(station.remove("belt")).rejects.toThrow("there is no source belt; there are none");
  });

  it("may be one that is over already, and is no fault of the run", async () => {
    const { source, station, ended } = await running({ belt: 0, camera: 0 });
    source().end("failed", "it is broken");
    await station.remove("belt");
    void station.stop();
    expect(await ended).toMatchObject({ faults: [] });
  });
});

describe("a source that is added", () => {
  it("is explained with the others, and the station goes on when all are over, until it is stopped", async () => {
    const { explainer, source, station, sink, ended } = await running({ belt: 0 });
    expect(station.add(configured("late"))).toMatchObject({ source: "late", state: "connecting" });
    source().end();
    source("late").give(2);
    source("late").end();
    await settled();
    await explainer.answer(0);
    expect(sink.came).toEqual(["late 0", "late 1"]);
    await after(60_000);
    station.add(configured("later"));
    source("later").give(1);
    await settled();
    await explainer.answer(1);
    expect(sink.came.at(-1)).toBe("later 0");
    void station.stop();
    expect(await ended).toMatchObject({ frames: 3, explained: 3 });
  });

  it("has message ids of its own though an earlier one of its name counted from the same moment", async () => {
    const { explainer, source, station, sink } = await running({ belt: 1 });
    await explainer.answer(0);
    await station.remove("belt");
    station.add(configured("belt"));
    source().give(1);
    await settled();
    await explainer.answer(1);
    const ids = sink.outcomes.flatMap(({ summary }) => summary?.id ?? []);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(2);
  });

  it("needs a name that is free, and a station that is not stopping", async () => {
    const { station } = await running({ belt: 0 });
    expect(() => station.add(configured("belt"))).toThrow("there is a source belt already; give it another name");
    await expect(station.remove("other")).rejects.toThrow("there is no source other; there are belt");
    void station.stop();
    expect(() => station.add(configured("late"))).toThrow("the station is stopping: source late cannot be added");
  });

  it("is one of a thousand at most", async () => {
    const { station } = await running({});
    for (let k = 0; k < 1000; k++) station.add(configured(`s-${k}`));
    expect(() => station.add(configured("more"))).toThrow("there are 1000 sources, which is the limit");
  });
});

it("a live source's old frames enter no batch, and its messages may be dropped", async () => {
  const live: Partial<SourceConfig> = { policy: "latest" };
  const { explainer, source, station, sink } = await running({});
  station.add(configured("camera", live));
  const camera = source("camera");
  camera.give(1);
  await settled();
  camera.give(1);
  await settled();
  // Two batches are under way: the third frame waits.
  camera.give(1);
  await after(600);
  await explainer.answer(0);
  expect(camera.ledger.snapshot().dropped).toEqual({ stale: 1 });
  expect(sink.outcomes.find(({ summary }) => summary)!.messages[0]!.whenFull).toBe("drop");
});

it("changes of a source's state are told in the log, faults of it as warnings, and published", async () => {
  const { source, sink, lines } = await running({ belt: 1 }, { sinks: [new RecordingSink("all")] });
  source().end("failed", "the camera is away");
  expect(lines).toEqual(["source belt: live", "source belt: failed (the camera is away)"]);
  expect(sink.statuses.map(({ state }) => state)).toEqual(["connecting", "live", "failed"]);
});
