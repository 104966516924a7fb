import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Ledger } from "../../src/pipeline/index.js";
import { type Call, explanationOf, RecordingSink, running, settled } from "./support/stage.js";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2024, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

const told = (ledger: Ledger) => {
  const { captured, explained, classified, dropped, inFlight } = ledger.snapshot();
  expect(captured).toBe(explained + classified + Object.values(dropped).reduce((sum, n) => sum + n, 0) + inFlight);
  return { explained, classified, dropped, inFlight };
};
const settling = (...names: string[]): RecordingSink[] =>
  names.map((name) => new RecordingSink(name, { settles: true }));

describe("a frame is in flight until its summary is published", () => {
  it("and counts as explained or classified then, not before", async () => {
    const { explainer, source, sink, station, released } = await running(
      { belt: 2 },
      { every: 2, sinks: settling("nats") },
    );
    const { ledger } = source();
    await explainer.answer(0);
    expect(told(ledger)).toEqual({ explained: 0, classified: 0, dropped: {}, inFlight: 2 });
    // What the sinks have taken they have copied.
    expect(released()).toBe(2);
    sink.publish();
    expect(told(ledger)).toEqual({ explained: 1, classified: 0, dropped: {}, inFlight: 1 });
    sink.publish();
    expect(told(ledger)).toEqual({ explained: 1, classified: 1, dropped: {}, inFlight: 0 });
    expect(station.total()).toEqual(ledger.snapshot());
  });

  it("by every sink that takes summaries", async () => {
    const sinks = [...settling("one", "two"), new RecordingSink("pictures", { kinds: ["overlay"], settles: true })];
    const { explainer, source } = await running({ belt: 2 }, { sinks });
    const [one, two] = sinks as [RecordingSink, RecordingSink];
    await explainer.answer(0);
    one.publishAll();
    expect(told(source().ledger)).toMatchObject({ explained: 0, inFlight: 2 });
    two.publish();
    expect(told(source().ledger)).toMatchObject({ explained: 1, inFlight: 1 });
    two.publish(false);
    expect(told(source().ledger)).toMatchObject({ explained: 1, dropped: { "sink-overflow": 1 }, inFlight: 0 });
  });

  it("or at once where no sink takes any", async () => {
    const { explainer, source } = await running(
      { belt: 1 },
      { sinks: [new RecordingSink("pictures", { kinds: ["overlay"] })] },
    );
    await explainer.answer(0);
    expect(told(source().ledger)).toMatchObject({ explained: 1, inFlight: 0 });
  });

  it("and is told once, however often a sink tells", async () => {
    const { explainer, source, sink } = await running({ belt: 1 }, { sinks: settling("nats") });
    await explainer.answer(0);
    const { onSettled } = sink.waiting[0]!;
    onSettled!(false);
    onSettled!(true);
    expect(told(source().ledger)).toEqual({
      explained: 0,
      classified: 0,
      dropped: { "sink-overflow": 1 },
      inFlight: 0,
    });
  });

  it("while other sinks take what one refuses", async () => {
    const sinks = [new RecordingSink("bad"), new RecordingSink("good")];
    const { explainer, source, lines, released } = await running({ belt: 2 }, { sinks });
    sinks[0]!.gate = Promise.reject(new Error("it is broken"));
    await explainer.answer(0);
    expect(sinks[1]!.came).toEqual(["belt 0", "belt 1"]);
    expect(told(source().ledger)).toMatchObject({ explained: 0, dropped: { "sink-overflow": 2 }, inFlight: 0 });
    expect(lines).toContain("sink bad: it is broken");
    expect(released()).toBe(2);
  });
});

describe("a frame that fails costs that frame", () => {
  it("its batch is tried one by one, and it alone counts as explain-error", async () => {
    const { explainer, source, sink, lines, released } = await running({ belt: 3 });
    await explainer.fail(0);
    expect(explainer.batches).toEqual([["belt 0", "belt 1", "belt 2"], ["belt 0"], ["belt 1"], ["belt 2"]]);
    for (const nth of [1, 3]) await explainer.answer(nth);
    await explainer.fail(2);
    expect(sink.came).toEqual(["belt 0", "belt 2"]);
    expect(told(source().ledger)).toMatchObject({ explained: 2, dropped: { "explain-error": 1 }, inFlight: 0 });
    expect(lines).toContain("source belt, frame 1 could not be explained: the engine refuses");
    expect(released()).toBe(3);
  });

  it("whatever is wrong with its summary", async () => {
    const { explainer, source, sink, released } = await running({ belt: 2 });
    const [call] = explainer.calls as [Call<unknown, unknown>];
    const [first, second] = explainer.calls[0]!.request.map((input) => explanationOf(input));
    call.answer([{ ...first!, relevance: { ...first!.relevance!, regions: null } }, second!]);
    await settled();
    expect(sink.came).toEqual(["belt 1"]);
    expect(told(source().ledger)).toMatchObject({ explained: 1, dropped: { "explain-error": 1 }, inFlight: 0 });
    expect(released()).toBe(2);
  });
});

it("what a source drops itself counts for it and for the station", async () => {
  const { source, station } = await running({ belt: 0, camera: 0 });
  source().ledger.captured();
  source().ledger.dropped("queue-full");
  source("camera").ledger.captured();
  source("camera").ledger.dropped("stale");
  expect(station.total()).toMatchObject({ captured: 2, dropped: { "queue-full": 1, stale: 1 }, inFlight: 0 });
});

it("the metrics say what the ledgers say", async () => {
  const { explainer, source, metrics, sink } = await running({ belt: 3 }, { every: 2, sinks: settling("nats") });
  await explainer.answer(0);
  sink.publish();
  sink.publish();
  source().give(1);
  source().discard("newer-frame");
  const text = await metrics.render();
  const value = (line: string): string | undefined =>
    text
      .split("\n")
      .find((each) => each.includes(line))
      ?.split(" ")
      .at(-1);
  expect(value('frames_captured_total{source="belt"}')).toBe("4");
  expect(value('frames_explained_total{source="belt"}')).toBe("1");
  expect(value('frames_classified_total{source="belt"}')).toBe("1");
  expect(value('frames_dropped_total{source="belt",reason="newer-frame"}')).toBe("1");
  expect(value('frames_in_flight{source="belt"}')).toBe("1");
});
