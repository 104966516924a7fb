import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Explanation } from "../../src/explain/explanation.js";
import { summarySchema } from "../../src/messages/summary.js";
import type { UpcomingFrame } from "../../src/sinks/sink.js";
import { RecordingSink, running, type StageOptions, SteppedExplainer, settled } from "./support/stage.js";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2024, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

const CLASSES = ["good", "crack", "dent"];
/** `crack 0.9`: the class on top and its probability. */
function seen(text: string): Explanation["top"] {
  const [label, probability] = text.split(" ") as [string, string];
  return [{ index: CLASSES.indexOf(label), label, probability: Number(probability) }];
}
const GOOD = "good 0.9";
const CRACK = "crack 0.8";

/** A belt with a frame for each of these sights, which wait for the explainer. */
async function belt(sights: readonly string[], options: StageOptions) {
  const set = await running({ belt: 0 }, options);
  for (const [k, sight] of sights.entries()) set.explainer.seen.set(`belt ${k}`, seen(sight));
  set.source().give(sights.length);
  await settled();
  return set;
}

const reasons = (sink: RecordingSink) => sink.outcomes.flatMap(({ summary }) => (summary ? [summary.why ?? []] : []));
const explained = (sink: RecordingSink) =>
  sink.outcomes.flatMap(({ summary }) => (summary ? [summary.relevance !== null] : []));

describe("under explain.when", () => {
  it("a batch is classified as a whole, and the frames that are chosen of it are explained in one batch more", async () => {
    const { explainer, sink, source } = await belt([GOOD, CRACK, CRACK, GOOD, CRACK], { when: { labels: ["crack"] } });
    expect(explainer.batches).toEqual([["belt 0", "belt 1", "belt 2", "belt 3", "belt 4"]]);
    expect(explainer.explained).toEqual([[]]);
    await explainer.answer(0);
    expect(explainer.explained).toEqual([[], ["belt 1", "belt 2", "belt 4"]]);
    // In their order: what is not chosen does not overtake.
    expect(sink.came).toEqual([]);
    await explainer.answer(1);
    expect(sink.came).toEqual(["belt 0", "belt 1", "belt 2", "belt 3", "belt 4"]);
    expect(explained(sink)).toEqual([false, true, true, false, true]);
    expect(source().ledger.snapshot()).toMatchObject({ captured: 5, explained: 3, classified: 2, inFlight: 0 });
    expect(source().releases).toBe(5);
  });

  it("a batch of which none is chosen costs no more than classifying it", async () => {
    const { explainer, sink } = await belt([GOOD, GOOD], { when: { labels: ["crack"] } });
    await explainer.answer(0);
    expect(explainer.batches).toHaveLength(1);
    expect(explained(sink)).toEqual([false, false]);
  });

  it("summaries say why their frame was chosen, and nothing of the others", async () => {
    const sights = [GOOD, GOOD, "crack 0.5", "crack 0.9"];
    const { explainer, sink, metrics } = await belt(sights, { when: { changed: true, below: 0.6, labels: ["crack"] } });
    await explainer.answer(0);
    await explainer.answer(1);
    expect(reasons(sink)).toEqual([["changed"], [], ["changed", "below", "labels"], ["labels"]]);
    const summaries = sink.outcomes.flatMap(({ summary }) => summary ?? []);
    for (const summary of summaries) expect(summarySchema.parse(JSON.parse(JSON.stringify(summary)))).toEqual(summary);
    expect(Object.keys(summaries[1]!)).not.toContain("why");
    const text = await metrics.render();
    for (const [reason, count] of Object.entries({ changed: 2, below: 1, labels: 2 }))
      expect(text).toContain(`video_explainer_frames_chosen_total{source="belt",reason="${reason}"} ${count}\n`);
  });

  it("sinks are told why a frame was chosen before its pictures are drawn", async () => {
    const asked = new Map<number, UpcomingFrame>();
    const sink = Object.assign(new RecordingSink("page"), {
      wantsOverlay: (_: string, frame: UpcomingFrame): boolean => {
        asked.set(frame.sequence, frame);
        return frame.why?.includes("below") ?? false;
      },
    });
    const sights = [GOOD, "good 0.5", GOOD];
    const options = { when: { changed: true, below: 0.6 }, sinks: [sink] };
    const { explainer, renderer } = await belt(sights, options);
    await explainer.answer(0);
    await explainer.answer(1);
    expect([...asked.values()].map(({ why }) => why)).toEqual([["changed"], ["below"]]);
    expect(renderer.calls.map(({ request }) => request.want.overlay)).toEqual([false, true]);
  });

  it("each Nth frame is known before: it is explained at once and run through the network no second time", async () => {
    const { explainer, sink } = await belt([GOOD, GOOD, CRACK, GOOD], { when: { every: 3, labels: ["crack"] } });
    expect(explainer.explained).toEqual([["belt 0", "belt 3"]]);
    await explainer.answer(0);
    expect(explainer.batches.slice(1)).toEqual([["belt 2"]]);
    await explainer.answer(1);
    expect(reasons(sink)).toEqual([["every"], [], ["labels"], ["every"]]);
  });

  it("the choice goes on from batch to batch, in their order, though a later one is classified first", async () => {
    const options = { when: { changed: true }, maxBatch: 2 };
    const { explainer, sink } = await belt([GOOD, CRACK, CRACK, GOOD], options);
    await explainer.answer(1);
    expect(explainer.batches).toHaveLength(2);
    await explainer.answer(0);
    expect(explainer.batches.slice(2)).toEqual([["belt 0", "belt 1"], ["belt 3"]]);
    await explainer.answer(3);
    expect(sink.came).toEqual([]);
    await explainer.answer(2);
    expect(sink.came).toEqual(["belt 0", "belt 1", "belt 2", "belt 3"]);
  });

  it("sources have a choice of their own", async () => {
    const set = await running({ belt: 0, camera: 0 }, { when: { changed: true } });
    for (const name of ["belt 0", "belt 1", "camera 0"]) set.explainer.seen.set(name, seen(GOOD));
    set.explainer.seen.set("camera 1", seen(CRACK));
    set.source("belt").give(2);
    set.source("camera").give(2);
    await settled();
    for (let nth = 0; nth < set.explainer.calls.length; nth++) await set.explainer.answer(nth);
    const whole = set.explainer.explained.flat();
    expect(whole.toSorted()).toEqual(["belt 0", "camera 0", "camera 1"]);
  });

  it("no third batch is begun while the chosen frames of one are explained", async () => {
    const options = { when: { labels: ["crack"] }, maxBatch: 2 };
    const { explainer, source } = await belt([CRACK, GOOD, GOOD, GOOD, GOOD, GOOD], options);
    await explainer.answer(0);
    await explainer.answer(1);
    expect(explainer.batches).toEqual([["belt 0", "belt 1"], ["belt 2", "belt 3"], ["belt 0"]]);
    expect(source().queued).toBe(2);
    await explainer.answer(2);
    expect(explainer.batches.slice(3)).toEqual([["belt 4", "belt 5"]]);
  });

  it("a chosen frame that cannot be explained is lost alone, and the next one counts as changed", async () => {
    const options = { when: { changed: true }, maxBatch: 2 };
    const { explainer, source, sink, lines } = await belt([GOOD, GOOD, GOOD, GOOD], options);
    await explainer.answer(0);
    await explainer.fail(2);
    await explainer.answer(1);
    expect(explainer.batches[3]).toEqual(["belt 2"]);
    await explainer.answer(3);
    expect(sink.came).toEqual(["belt 1", "belt 2", "belt 3"]);
    expect(source().ledger.snapshot()).toMatchObject({ explained: 1, classified: 2, dropped: { "explain-error": 1 } });
    expect(lines).toContain("source belt, frame 0 could not be explained: the engine refuses");
    expect(source().releases).toBe(4);
  });

  it("a choice that is set while the station runs goes on from the last frame that was explained without one", async () => {
    const { explainer, settings, source, sink } = await belt([GOOD, CRACK], { maxBatch: 1 });
    await explainer.answer(0);
    await explainer.answer(1);
    settings.current = { ...settings.current, explain: { every: 1, when: { changed: true } } };
    for (const [k, sight] of [CRACK, GOOD].entries()) explainer.seen.set(`belt ${k + 2}`, seen(sight));
    source().give(2);
    await settled();
    await explainer.answer(2);
    await explainer.answer(3);
    await explainer.answer(4);
    expect(sink.came).toHaveLength(4);
    expect(reasons(sink)).toEqual([[], [], [], ["changed"]]);
  });

  it("a frame that was classified before the explainer was replaced is explained by the new one", async () => {
    const { explainer, settings, sink } = await belt([CRACK], { when: { labels: ["crack"] } });
    const next = Object.assign(new SteppedExplainer(), { engine: "another" });
    settings.current = { ...settings.current, explainer: next };
    await explainer.answer(0);
    expect([explainer.batches.length, next.batches]).toEqual([1, [["belt 0"]]]);
    await next.answer(0);
    expect(sink.outcomes.find(({ summary }) => summary)!.summary!.model.engine).toBe("another");
  });

  it("a stop that can wait no longer gives up the chosen frames, and delivers what is classified", async () => {
    const { explainer, station, source, sink, ended } = await belt([GOOD, CRACK], { when: { labels: ["crack"] } });
    await explainer.answer(0);
    void station.stop();
    await vi.advanceTimersByTimeAsync(4200);
    await ended;
    expect(sink.came).toEqual(["belt 0"]);
    expect(source().ledger.snapshot()).toMatchObject({
      captured: 2,
      classified: 1,
      dropped: { shutdown: 1 },
      inFlight: 0,
    });
    expect(source().releases).toBe(2);
  });
});

describe("a sink with only", () => {
  const GO = [GOOD, CRACK, "dent 0.4", GOOD, GOOD];
  const names = ["belt 0", "belt 1", "belt 2", "belt 3", "belt 4"];

  it.each([
    [{ labels: ["crack", "dent"] }, [1, 2]],
    [{ below: 0.5 }, [2]],
    [{ changed: true }, [0, 1, 2, 3]],
    [{ labels: ["crack"], below: 0.5 }, [1, 2]],
    [{ explained: true }, [0, 3]],
  ])("%j takes these frames alone, and the others count as skipped, not as lost", async (only, taken) => {
    const sinks = [new RecordingSink("all"), new RecordingSink("some", { settles: true })];
    const options = { sinks, only: { some: only }, every: 3 };
    const { explainer, source, metrics } = await belt(GO, options);
    await explainer.answer(0);
    const [all, some] = sinks as [RecordingSink, RecordingSink];
    expect(all.came).toEqual(names);
    expect(some.came).toEqual(taken.map((k) => names[k]));
    some.publishAll();
    const { explained, classified, dropped } = source().ledger.snapshot();
    expect([explained + classified, dropped]).toEqual([5, {}]);
    const text = await metrics.render();
    expect(text).toContain(`video_explainer_frames_skipped_total{sink="some"} ${5 - taken.length}\n`);
    expect(text).not.toContain('frames_skipped_total{sink="all"}');
  });

  it("decides what is drawn: nothing for a frame that none takes, the original where one publishes it", async () => {
    const sinks = [
      new RecordingSink("lines", { kinds: ["summary"] }),
      new RecordingSink("rejects", { kinds: ["summary", "overlay", "heatmap", "original"] }),
    ];
    const { explainer, renderer } = await belt([GOOD, CRACK], { sinks, only: { rejects: { labels: ["crack"] } } });
    await explainer.answer(0);
    expect(renderer.drawn).toEqual(["belt 1"]);
    expect(renderer.calls[0]!.request.want).toEqual({ overlay: true, heatmap: true, original: true });
    const [, rejects] = sinks as [RecordingSink, RecordingSink];
    const { messages } = rejects.outcomes.find(({ summary }) => summary)!;
    expect(messages.map(({ kind, schema }) => [kind, schema])).toEqual([
      ["summary", "explanation-summary/1"],
      ["overlay", "explanation-overlay/1"],
      ["heatmap", "explanation-heatmap/1"],
      ["original", "explanation-original/1"],
    ]);
    expect(Buffer.from(messages[3]!.body).toString()).toBe("original of belt 1");
  });

  it("still gets the state of every source", async () => {
    const sinks = [new RecordingSink("rejects")];
    const { sink, ended, station } = await belt([], { sinks, only: { rejects: { labels: ["crack"] } } });
    await station.stop();
    await ended;
    expect(sink.statuses.length).toBeGreaterThan(0);
  });
});
