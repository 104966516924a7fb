import { describe, expect, it } from "vitest";
import { changedConfig, rebased } from "../../src/config/changed.js";
import { parseConfig } from "../../src/config/load.js";

interface Written {
  station?: string;
  engine?: object;
  explain?: object;
  overlay?: object;
  warnings?: object;
  control?: object;
  sources?: object[];
  sinks?: object[];
  log?: object;
}
const SINKS = [{ kind: "nats" }, { kind: "viewer" }];
const read = (written: Written = {}) => {
  const sources = [
    { name: "a", url: "testsrc" },
    { name: "b", url: "testsrc", fps: 5 },
  ];
  const text = JSON.stringify({ model: { path: "m" }, sources, sinks: SINKS, ...written });
  return parseConfig(text, "config.yaml", {});
};

describe("what is changed of a configuration", () => {
  it("is nothing where the file says the same in other words", () => {
    const { sources, keys, restart, running } = changedConfig(read(), read({ explain: { every: 1 }, overlay: {} }));
    expect({ sources, keys, restart }).toEqual({
      sources: { added: [], changed: [], removed: [] },
      keys: [],
      restart: [],
    });
    expect(running).toEqual(read());
  });

  it("are sources by their names, whatever their order", () => {
    const { sources, running } = changedConfig(
      read(),
      read({
        sources: [
          { name: "c", url: "testsrc" },
          { name: "b", url: "testsrc", fps: 6 },
        ],
      }),
    );
    expect(sources).toMatchObject({ added: [{ name: "c" }], changed: [{ name: "b", fps: 6 }], removed: ["a"] });
    expect(running.sources.map(({ name }) => name)).toEqual(["c", "b"]);
    const swapped = read({
      sources: [
        { name: "b", url: "testsrc", fps: 5 },
        { name: "a", url: "testsrc" },
      ],
    });
    expect(changedConfig(read(), swapped).sources).toEqual({ added: [], changed: [], removed: [] });
  });

  it("are settings and the filters of sinks, by their keys", () => {
    const after = read({
      explain: { when: { below: 0.5 }, grid: { rows: 4 } },
      overlay: { opacity: 0.1 },
      warnings: { border: 0.9 },
      control: { sources: { count: 3 } },
      sinks: [{ kind: "nats", only: { changed: true } }, { kind: "viewer" }],
    });
    const { keys, restart, running } = changedConfig(read(), after);
    expect(keys.sort()).toEqual([
      "control.sources.count",
      "explain.grid.rows",
      "explain.when",
      "overlay.opacity",
      "sinks.nats.only",
      "warnings.border",
    ]);
    expect([restart, running]).toEqual([[], after]);
    // And back again, where the file says nothing of it any more.
    expect(changedConfig(after, read()).running).toEqual(read());
  });

  it("waits for a restart in all else, which keeps its value meanwhile", () => {
    const after = read({
      station: "other",
      engine: { maxBatch: 3, device: "cpu" },
      log: { level: "debug" },
      sinks: [{ kind: "nats", prefix: "other", only: { below: 0.2 } }, { kind: "stdout" }],
      overlay: { quality: 50 },
    });
    const { keys, restart, running } = changedConfig(read(), after);
    expect(restart.sort()).toEqual([
      "engine.device",
      "engine.maxBatch",
      "log.level",
      "sinks.nats.prefix",
      "sinks.stdout",
      "sinks.viewer",
      "station",
    ]);
    expect(keys.sort()).toEqual(["overlay.quality", "sinks.nats.only"]);
    const [nats, viewer] = read().sinks;
    expect(running).toEqual({
      ...read({ overlay: { quality: 50 } }),
      sinks: [{ ...nats, only: { below: 0.2 } }, viewer],
    });
    // Until the restart it is named again each time.
    const again = changedConfig(running, after);
    expect([again.keys, again.restart.sort()]).toEqual([[], restart]);
  });

  it("leaves what a request has changed, unless the file changes it too", () => {
    const [before, after] = [
      { method: "a", every: 1, blur: 2 },
      { method: "b", every: 1 },
    ];
    expect(rebased({ method: "of a request", every: 7, blur: 2 }, before, { ...after, blur: 2 })).toEqual({
      method: "b",
      every: 7,
      blur: 2,
    });
    const running: { method: string; every: number; blur?: number } = { method: "a", every: 1, blur: 2 };
    expect(rebased(running, before, after)).toEqual({ method: "b", every: 1, blur: undefined });
  });
});
