import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { InputError, VideoExplainerError } from "../../src/errors.js";
import { after, RecordingSink, running, settled } from "./support/stage.js";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2024, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Whether a promise is settled by now. */
async function isDone(work: Promise<unknown>): Promise<boolean> {
  let done = false;
  const mark = () => {
    done = true;
  };
  work.then(mark, mark);
  await settled();
  return done;
}

const nats = (): RecordingSink => new RecordingSink("nats", { settles: true });

describe("a station whose films are over", () => {
  it("ends when all is delivered, its sinks closed, the last status told with the final ledger", async () => {
    const { explainer, source, sink, ended } = await running({ belt: 3 });
    source().end();
    expect(await isDone(ended)).toBe(false);
    await explainer.answer(0);
    expect(await ended).toEqual({ faults: [], frames: 3, explained: 3 });
    expect(sink.closed).toBe("well");
    expect(sink.statuses.at(-1)).toMatchObject({ state: "ended", ledger: { captured: 3, explained: 3, inFlight: 0 } });
    expect(sink.outcomes.at(-1)!.messages[0]!.kind).toBe("status");
  });

  it("waits for a sink that still holds something, however long, and says so when its far end is away", async () => {
    const { explainer, source, sink, lines, ended } = await running({ belt: 2 }, { sinks: [nats()] });
    sink.connected = false;
    source().end();
    await explainer.answer(0);
    await after(3_600_000);
    expect([await isDone(ended), sink.closed]).toEqual([false, undefined]);
    expect(lines.filter((line) => line.startsWith("every source is over"))).toEqual([
      "every source is over; 2 messages wait for nats to come back",
    ]);
    sink.publishAll();
    expect(await ended).toMatchObject({ faults: [], explained: 2 });
    // The status with the final ledger came after that.
    expect(sink.statuses.at(-1)).toMatchObject({ ledger: { explained: 2, inFlight: 0 } });
  });

  it("waits for pictures too that a sink holds behind the summaries", async () => {
    const { explainer, source, sink, ended } = await running({ belt: 1 }, { sinks: [nats()] });
    sink.behind = 2;
    source().end();
    await explainer.answer(0);
    sink.publishAll();
    await after(60_000);
    expect([await isDone(ended), sink.closed, source().ledger.inFlight]).toEqual([false, undefined, 0]);
    sink.publishBehind();
    expect(await ended).toMatchObject({ explained: 1 });
  });

  it("does not wait for that any longer once it is stopped, and tells what was lost", async () => {
    const { explainer, source, sink, station, ended } = await running({ belt: 2 }, { sinks: [nats()] });
    source().end();
    await explainer.answer(0);
    expect(await isDone(ended)).toBe(false);
    sink.lost = new VideoExplainerError("nats-lost", "2 summaries are lost");
    void station.stop();
    // What it publishes within four seconds still counts.
    await after(3990);
    sink.publish();
    await after(120);
    expect(await ended).toEqual({ faults: [sink.lost], frames: 2, explained: 1 });
    expect(source().ledger.snapshot()).toMatchObject({ dropped: { "sink-overflow": 1 }, inFlight: 0 });
  });

  it("tells each that failed or is damaged as a fault, the latter as the user's", async () => {
    const { source, ended } = await running({ a: 0, b: 0, c: 0 });
    source("a").end("failed", "no frame came");
    source("b").end("ended", "ffmpeg complained");
    source("c").end();
    const { faults } = await ended;
    expect(faults.map(({ message }) => message)).toEqual([
      "source a failed: no frame came",
      "source b is damaged or cut off: ffmpeg complained",
    ]);
    expect(faults.map((fault) => fault instanceof InputError)).toEqual([false, true]);
  });

  it("takes no further source", async () => {
    const { source, station, ended } = await running({ belt: 0 });
    source().end();
    await ended;
    expect(() => station.expectNew("late")).toThrow("the station is stopping: source late cannot be added");
    await expect(station.remove("belt")).rejects.toThrow("the station is stopping: source belt is being stopped");
  });
});

describe("a station that is stopped", () => {
  it("stops its sources and delivers what they have queued; no end of theirs is a fault then", async () => {
    const { explainer, source, sink, station, ended } = await running({ belt: 5 }, { maxBatch: 2 });
    const stopped = station.stop();
    await settled();
    expect(source().stopped).toBe(true);
    for (const nth of [0, 1, 2]) await explainer.answer(nth);
    await stopped;
    expect(await ended).toEqual({ faults: [], frames: 5, explained: 5 });
    expect(sink.came).toHaveLength(5);
  });

  it("tells why it could not go on, once", async () => {
    const { station, ended } = await running({ belt: 0 });
    const why = new VideoExplainerError("no-sink", "the reader has left");
    void station.stop(why);
    void station.stop(new Error("and again"));
    expect((await ended).faults).toEqual([why]);
  });

  it("waits four seconds for an engine that hangs: what that holds, and what is queued, counts as shutdown, once", async () => {
    const { explainer, source, sink, station, released, ended } = await running({ belt: 60 }, { maxBatch: 2 });
    void station.stop();
    await after(3990);
    expect([await isDone(ended), source().ledger.inFlight]).toEqual([false, 60]);
    await after(120);
    expect(await ended).toEqual({ faults: [], frames: 60, explained: 0 });
    expect(source().ledger.snapshot()).toMatchObject({ dropped: { shutdown: 60 }, inFlight: 0 });
    expect(sink.statuses.at(-1)).toMatchObject({ ledger: { dropped: { shutdown: 60 }, inFlight: 0 } });
    // Answers that come too late change nothing.
    await explainer.answer(0);
    expect([released(), sink.came]).toEqual([60, []]);
    expect(source().ledger.snapshot()).toMatchObject({ explained: 0, dropped: { shutdown: 60 } });
  });

  it("does without the pictures of a renderer that hangs", async () => {
    const { explainer, renderer, sink, station, released, ended } = await running({ belt: 24 }, { maxBatch: 24 });
    renderer.held = true;
    await explainer.answer(0);
    void station.stop();
    await after(4110);
    expect(await ended).toMatchObject({ explained: 24 });
    expect(sink.outcomes.filter(({ summary }) => summary).map(({ messages }) => messages.length)).toEqual(
      Array(24).fill(1),
    );
    expect(sink.statuses.at(-1)).toMatchObject({ ledger: { explained: 24, inFlight: 0 } });
    expect(released()).toBe(24);
  });

  it("closes a sink that takes nothing, which lets the frames behind it go", async () => {
    let open = () => {};
    const { explainer, source, sink, station, released, ended } = await running({ belt: 3 });
    sink.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    sink.close = async () => open();
    await explainer.answer(0);
    void station.stop();
    await after(4110);
    expect(await ended).toMatchObject({ faults: [], frames: 3 });
    expect([released(), source().ledger.inFlight]).toEqual([3, 0]);
  });
});
