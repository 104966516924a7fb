import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { summarySchema } from "../../src/messages/summary.js";
import type { UpcomingFrame } from "../../src/sinks/sink.js";
import { RecordingSink, running, SteppedExplainer, settled } from "./support/stage.js";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2024, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

const names = (source: string, count: number): string[] => Array.from({ length: count }, (_, k) => `${source} ${k}`);

describe("frames of one source leave in their order", () => {
  it("when a later batch is explained before an earlier one", async () => {
    const { explainer, sink } = await running({ belt: 4 }, { maxBatch: 2 });
    await explainer.answer(1);
    expect(sink.came).toEqual([]);
    await explainer.answer(0);
    expect(sink.came).toEqual(names("belt", 4));
  });

  it("when a batch fails and its frames are tried alone, while the next one is explained", async () => {
    const { explainer, sink } = await running({ belt: 4 }, { maxBatch: 2 });
    await explainer.fail(0);
    await explainer.answer(1);
    expect(explainer.batches).toEqual([["belt 0", "belt 1"], ["belt 2", "belt 3"], ["belt 0"], ["belt 1"]]);
    await explainer.answer(3);
    expect(sink.came).toEqual([]);
    await explainer.answer(2);
    expect(sink.came).toEqual(names("belt", 4));
  });

  it("when a later picture is drawn before an earlier one, and no other source waits for that", async () => {
    const { explainer, renderer, sink } = await running({ belt: 2, camera: 1 });
    renderer.held = true;
    await explainer.answer(0);
    const at = (name: string): number => renderer.drawn.indexOf(name);
    await renderer.draw(at("belt 1"));
    expect(sink.came).toEqual([]);
    await renderer.draw(at("camera 0"));
    expect(sink.came).toEqual(["camera 0"]);
    await renderer.draw(at("belt 0"));
    expect(sink.came).toEqual(["camera 0", "belt 0", "belt 1"]);
  });

  it("when a sink takes its time: the next frame is written when it has taken the one before, others' at once", async () => {
    let open = () => {};
    const { explainer, sink } = await running({ belt: 2, camera: 1 });
    sink.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    await explainer.answer(0);
    expect(sink.came.toSorted()).toEqual(["belt 0", "camera 0"]);
    open();
    await settled();
    expect(sink.came).toHaveLength(3);
  });
});

describe("no stage waits for another", () => {
  it("while a batch is explained the next one is handed over already, and no third", async () => {
    const { explainer, source } = await running({ belt: 7 }, { maxBatch: 2 });
    expect(explainer.batches).toEqual([names("belt", 2), ["belt 2", "belt 3"]]);
    expect(source().queued).toBe(3);
    await explainer.answer(0);
    expect(explainer.batches).toHaveLength(3);
    // Not before the one ahead of it has left.
    await explainer.answer(2);
    expect(explainer.batches).toHaveLength(3);
    await explainer.answer(1);
    expect(explainer.batches.slice(3)).toEqual([["belt 6"]]);
  });

  it("a frame is drawn as soon as it is explained, and the next batch explained while it is", async () => {
    const { explainer, renderer, sink } = await running({ belt: 6 }, { maxBatch: 2 });
    renderer.held = true;
    await explainer.answer(0);
    await explainer.answer(1);
    expect(renderer.drawn).toEqual(names("belt", 4));
    expect(explainer.batches[2]).toEqual(["belt 4", "belt 5"]);
    expect(sink.came).toEqual([]);
  });

  it("frames of several sources share a batch, in turn", async () => {
    const { explainer } = await running({ belt: 3, camera: 2 }, { maxBatch: 4 });
    expect(explainer.batches).toEqual([["belt 0", "camera 0", "belt 1", "camera 1"], ["belt 2"]]);
  });
});

describe("what is published of a frame", () => {
  it("is its summary, overlay and heatmap, under ids of their own, with the scale of its colours", async () => {
    const { explainer, sink } = await running({ belt: 1 });
    await vi.advanceTimersByTimeAsync(40);
    await explainer.answer(0, 0.25);
    const { summary, messages, placement } = sink.outcomes.find((outcome) => outcome.summary)!;
    expect(messages.map(({ kind }) => kind)).toEqual(["summary", "overlay", "heatmap"]);
    const at = Date.UTC(2024, 0, 1);
    for (const { kind, id, time, whenFull } of messages) {
      expect([id, time, whenFull]).toEqual([`line-1-belt-${at}-0-${kind}`, "2024-01-01T00:00:00.000Z", "wait"]);
    }
    expect(messages.map(({ headers }) => headers)).toEqual([
      undefined,
      { "Relevance-Scale": "0.25" },
      { "Relevance-Scale": "0.25", "Heatmap-Placement": JSON.stringify({ width: 8, height: 8, ...placement }) },
    ]);
    expect(Buffer.from(messages[1]!.body).toString()).toBe("overlay of belt 0");
    expect(summarySchema.parse(JSON.parse(Buffer.from(messages[0]!.body).toString()))).toEqual(summary);
    expect(summary!.id).toBe(messages[0]!.id);
    expect(summary!.timing).toEqual({ queueMs: 0, explainMs: 40, overlayMs: 3, totalMs: 40, batchSize: 1 });
    expect(placement!.clip).toEqual({ x: 0, y: 0, width: 8, height: 8 });
  });

  it("is nothing that no sink takes: then nothing is drawn", async () => {
    const sinks = [new RecordingSink("lines", { kinds: ["summary"] })];
    const { explainer, renderer, sink } = await running({ belt: 1 }, { sinks });
    await explainer.answer(0);
    expect([sink.came, renderer.drawn]).toEqual([["belt 0"], []]);
  });

  it("is the picture as decoded as well for who looks, though the frame is only classified", async () => {
    const { explainer, renderer, sink } = await running({ belt: 2 }, { every: 2 });
    sink.looks = true;
    await explainer.answer(0);
    expect(renderer.calls.map(({ request }) => request.want)).toEqual([
      { overlay: true, heatmap: true, original: true },
      { overlay: false, heatmap: false, original: true },
    ]);
    const { messages, original } = sink.outcomes.at(-1)!;
    expect(messages.map(({ kind }) => kind)).toEqual(["summary"]);
    expect(Buffer.from(original!).toString()).toBe("original of belt 1");
  });

  it("has an overlay where some sink has use for that of this frame", async () => {
    const asked: [string, UpcomingFrame][] = [];
    const sink = Object.assign(new RecordingSink("page"), {
      wantsOverlay: (source: string, frame: UpcomingFrame): boolean => {
        asked.push([source, frame]);
        return frame.sequence === 1;
      },
    });
    const { explainer, renderer } = await running({ belt: 2 }, { sinks: [sink] });
    await explainer.answer(0);
    expect(renderer.calls.map(({ request }) => request.want.overlay)).toEqual([false, true]);
    expect(asked[0]).toEqual(["belt", { sequence: 0, label: expect.any(String), explained: true, why: [] }]);
    const others = await running({ belt: 1 }, { sinks: [sink, new RecordingSink("files", { kinds: ["overlay"] })] });
    await others.explainer.answer(0);
    expect(others.renderer.calls.map(({ request }) => request.want.overlay)).toEqual([true]);
  });

  it("is the summary alone where the picture cannot be drawn", async () => {
    const { explainer, renderer, sink, lines } = await running({ belt: 1 });
    renderer.held = true;
    await explainer.answer(0);
    renderer.calls[0]!.fail(new Error("the thread ended"));
    await settled();
    expect(sink.outcomes.at(-1)!.messages.map(({ kind }) => kind)).toEqual(["summary"]);
    expect(lines).toContain("source belt, frame 0: the thread ended");
  });
});

describe("a frame is explained with what its source remembers", () => {
  it("each Nth that is taken, whatever was dropped between them", async () => {
    const { explainer, source } = await running({ belt: 2 }, { every: 3, maxBatch: 1 });
    await explainer.answer(0);
    await explainer.answer(1);
    source().give(3);
    source().discard("newer-frame");
    source().give(2);
    await settled();
    for (const nth of [2, 3]) await explainer.answer(nth);
    expect(explainer.batches.flat()).toEqual(["belt 0", "belt 1", "belt 5", "belt 6"]);
    expect(explainer.calls.map(({ request }) => request[0]!.classifyOnly)).toEqual([false, true, true, false]);
  });

  it("and the scale of its own frames so far", async () => {
    const { explainer, source } = await running({ belt: 1, camera: 1 }, { maxBatch: 1 });
    await explainer.answer(0, 2);
    await explainer.answer(1, 5);
    for (const name of ["belt", "camera"]) source(name).give();
    await settled();
    const scales = explainer.calls.map(({ request: [input] }) => input!.scale);
    expect(scales).toEqual([0, 0, 2, 5]);
  });

  it("and the settings that its batch began with", async () => {
    const { explainer, renderer, settings, source, sink } = await running({ belt: 1 });
    const before = settings.current;
    const other = new SteppedExplainer();
    settings.current = {
      ...before,
      explainer: other,
      explain: { every: 1, when: null },
      overlay: { ...before.overlay, show: "signed" },
    };
    source().give();
    await settled();
    await other.answer(0);
    expect(sink.came).toEqual([]);
    await explainer.answer(0);
    expect(renderer.calls.map(({ request }) => request.style.show)).toEqual(["magnitude", "signed"]);
    expect(sink.came).toEqual(["belt 0", "belt 1"]);
  });
});
