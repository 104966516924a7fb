import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Config, configSchema } from "../../src/config/schema.js";
import type { Explainer } from "../../src/explain/explanation.js";
import { completed } from "../../src/explain/options.js";
import { silentLogger } from "../../src/log.js";
import { defaultWarnings, Settings } from "../../src/station/settings.js";
import { after, Call, SteppedExplainer, settled } from "./support/stage.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Settings whose explainers are made, and closed, by hand. */
function settingsOf(every = 1) {
  const explainer = new SteppedExplainer();
  explainer.hasClassifier = every > 1;
  const made: Call<Config["explain"], Explainer>[] = [];
  const retired: Call<Explainer, void>[] = [];
  const lines: string[] = [];
  const { shape } = configSchema;
  const settings = new Settings(
    {
      explainer,
      explain: shape.explain.parse({ every }),
      overlay: shape.overlay.parse({}),
      warnings: defaultWarnings(),
    },
    {
      log: { ...silentLogger, info: (text) => void lines.push(text) },
      createExplainer: (explain) => {
        made.push(new Call<Config["explain"], Explainer>(explain));
        return made.at(-1)!.answered;
      },
      retire: (old) => {
        retired.push(new Call<Explainer, void>(old));
        return retired.at(-1)!.answered;
      },
    },
  );
  return { settings, explainer, made, retired, lines };
}

describe("a change of settings", () => {
  it("of the overlay, or of every where the classifier is there, is in force at once and makes nothing", async () => {
    const { settings, explainer, made, lines } = settingsOf(2);
    await settings.change({ overlay: { show: "signed" }, explain: { every: 5 } });
    expect(settings.current).toMatchObject({ explain: { every: 5 }, overlay: { show: "signed", colormap: "inferno" } });
    await settings.change({ explain: { every: 1 } });
    await settings.change({ explain: { every: 3 } });
    expect([settings.current.explainer === explainer, made]).toEqual([true, []]);
    expect(lines).toEqual([
      "configuration changed until the next start: explain.every, overlay.show",
      ...Array(2).fill("configuration changed until the next start: explain.every"),
    ]);
  });

  it("of every from 1 makes an explainer with the classifier ready beside, and frames are explained until it is", async () => {
    const { settings, explainer, made, retired } = settingsOf(1);
    const changing = settings.change({ explain: { every: 4 } });
    await after(60_000);
    expect(made.map(({ request }) => request)).toMatchObject([{ every: 4, method: "r-lrp-graded" }]);
    expect(settings.current).toMatchObject({ explainer, explain: { every: 1 } });
    const next = new SteppedExplainer();
    made[0]!.answer(next);
    await settled();
    expect(settings.current).toMatchObject({ explain: { every: 4 } });
    expect([settings.current.explainer === next, retired[0]!.request === explainer]).toEqual([true, true]);
    retired[0]!.answer();
    await changing;
  });

  it("of when takes the place of the one before as a whole, makes a classifier where there is none, and null ends it", async () => {
    const { settings, made, retired, lines } = settingsOf(1);
    const changing = settings.change({ explain: { when: { changed: true, below: 0.5 } } });
    await settled();
    expect(made.map(({ request }) => request)).toMatchObject([{ when: { changed: true, below: 0.5 } }]);
    const next = Object.assign(new SteppedExplainer(), { hasClassifier: true });
    made[0]!.answer(next);
    await settled();
    retired[0]!.answer();
    await changing;
    await settings.change({ explain: { when: { labels: ["crack"] } } });
    expect(settings.current.explain.when).toEqual({ labels: ["crack"] });
    await settings.change({ explain: { when: null, every: 2 } });
    expect(settings.current).toMatchObject({ explainer: next, explain: { when: null, every: 2 } });
    expect(made).toHaveLength(1);
    expect(lines.at(-1)).toBe("configuration changed until the next start: explain.every, explain.when");
  });

  it.each([
    [
      { when: { labels: ["crak"] } },
      'explain.when.labels[0] "crak" is not a label of the model; did you mean "crack"?',
    ],
    [{ when: {} }, "explain.when chooses no frame; give it one of changed, below"],
    [{ when: { every: 3 }, every: 2 }, "explain.every 2 and explain.when exclude each other"],
    [{ when: { margin: 0.1 }, top: 1 }, "explain.when.margin needs the second class, which explain.top 1 leaves out"],
    [{ when: { below: 2 } }, "when.below must be at most 1"],
  ])("of when that is wrong, as in %j, is refused in a sentence and changes nothing", async (explain, sentence) => {
    const { settings, made } = settingsOf(2);
    await settings.change({ explain: { every: 1 } });
    const before = settings.current;
    await expect(settings.change({ explain })).rejects.toThrow(sentence);
    expect([settings.current, made]).toEqual([before, []]);
  });

  it("of the method leaves start and input rule to the new one, unless they were asked for", async () => {
    const { settings, made } = settingsOf(2);
    const changes = [{ method: "r-lrp" }, { start: "contrast" }, { method: "r-lrp-local" }] as const;
    for (const [k, explain] of changes.entries()) {
      const changing = settings.change({ explain });
      await settled();
      made[k]!.answer(new SteppedExplainer());
      await after(6000);
      await changing;
    }
    const asked = made.map(({ request }) => completed(request));
    expect(asked.map(({ method, inputRule, start }) => [method, inputRule, start])).toEqual([
      ["r-lrp", "bounded", "one-hot"],
      ["r-lrp", "bounded", "contrast"],
      ["r-lrp-local", "box", "contrast"],
    ]);
  });

  it("of the method does so too, and waits five seconds at most for the one it replaces", async () => {
    const { settings, made } = settingsOf(2);
    let over = false;
    const changing = settings.change({ explain: { method: "epsilon" } }).then(() => {
      over = true;
    });
    await settled();
    made[0]!.answer(new SteppedExplainer());
    await after(4990);
    expect([over, settings.current.explain.method]).toEqual([false, "epsilon"]);
    await after(20);
    await changing;
  });

  it("that is wrong, or whose explainer cannot be made, changes nothing", async () => {
    const { settings, made } = settingsOf();
    const before = settings.current;
    await expect(settings.change({ overlay: { opacity: 2 } })).rejects.toThrow(
      "opacity must be at most 1 (of the strongest heat), found the number 2",
    );
    const changing = settings.change({ explain: { target: 6 }, overlay: { show: "signed" } });
    await settled();
    made[0]!.fail(new Error("target class 6 does not exist"));
    await expect(changing).rejects.toThrow("target class 6 does not exist");
    expect(settings.current).toBe(before);
  });

  it("is refused, and what was made for it closed, when the model file is another by now", async () => {
    const { settings, made, retired } = settingsOf();
    const before = settings.current;
    const changing = settings.change({ explain: { top: 3 } });
    await settled();
    const other = Object.assign(new SteppedExplainer(), { model: { ...before.explainer.model, sha256: "1" } });
    made[0]!.answer(other);
    await settled();
    expect(retired[0]!.request).toBe(other);
    retired[0]!.answer();
    await expect(changing).rejects.toThrow("the model file has changed since the start; restart the worker");
    expect(settings.current).toBe(before);
  });

  it("begins from what the one before it left", async () => {
    const { settings, made, retired } = settingsOf();
    const changes = [
      settings.change({ explain: { top: 3 } }),
      settings.change({ explain: { grid: { rows: 2, columns: 8 } } }),
    ];
    await settled();
    expect(made).toHaveLength(1);
    made[0]!.answer(new SteppedExplainer());
    await settled();
    retired[0]!.answer();
    await settled();
    expect(made[1]!.request).toMatchObject({ top: 3, grid: { rows: 2, columns: 8 } });
    made[1]!.answer(new SteppedExplainer());
    await settled();
    retired[1]!.answer();
    await Promise.all(changes);
    expect(settings.current.explain).toMatchObject({ top: 3, grid: { rows: 2, columns: 8 } });
  });

  it("is refused once they are closed, which waits for the one under way", async () => {
    const { settings, made } = settingsOf();
    const changing = settings.change({ explain: { top: 3 } });
    await settled();
    let closed = false;
    const closing = settings.close().then(() => {
      closed = true;
    });
    await expect(settled().then(() => closed)).resolves.toBe(false);
    made[0]!.fail(new Error("no"));
    await expect(changing).rejects.toThrow("no");
    await closing;
    await expect(settings.change({})).rejects.toThrow("the station is stopping: nothing can be changed");
  });
});
