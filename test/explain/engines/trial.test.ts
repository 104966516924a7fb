import { chmodSync, existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toOnnx } from "../../../src/explain/engines/serialise.js";
import { passTrial, type Tried } from "../../../src/explain/engines/trial/trial.js";
import { temporaryFolder } from "../../support/folders.js";
import { GOLDEN_MAPS, goldenCase } from "../twin/golden.js";
import { goldenProgram } from "./run.js";

const MODULE = new URL("../../support/wrong-engine.mjs", import.meta.url).href;

/** A graph in a folder, and the engine of that name that is to run it. */
function engine(name: string): Tried {
  const { program } = goldenProgram(goldenCase("residual"), GOLDEN_MAPS["r-lrp"]!);
  const graph = join(temporaryFolder(), "graph.onnx");
  writeFileSync(graph, toOnnx(program));
  const { inputs, outputs } = program;
  const prepared = { inputs, outputs, packs: true, blocked: false };
  return { name: "wrong", version: "1", engine: { module: MODULE, name }, graph, prepared };
}
const options = (verdictCache: string | null = null) =>
  ({ device: "webgpu", threads: 1, verdictCache, trialMs: 20_000 }) as const;
const sentence = async (name: string, given: Parameters<typeof passTrial>[1]): Promise<string> => {
  const error = await passTrial(engine(name), given).then(
    () => undefined,
    (reason: Error & { code?: string }) => reason,
  );
  expect(error).toMatchObject({ code: "engine-refused" });
  return error!.message;
};

describe("an engine that is wrong on purpose is refused by one sentence:", () => {
  const wrong = "the engine wrong cannot run this model on webgpu";
  it.each([
    [
      "it gives other values",
      "values",
      /its relevance of a picture of noise is not the processor's: correlation -?0\.\d+/,
    ],
    [
      "its numbers are a tenth too large",
      "scale",
      /its relevance of a picture of noise is not the processor's: 10\.0 % apart/,
    ],
    [
      "its numbers are none",
      "noNumbers",
      /its relevance of a picture of noise is not the processor's: numbers that are none/,
    ],
    ["it finds another class", "wrongClass", /its class of a picture of noise is not the processor's/],
    ["it mixes up the frames of a batch", "frames", /its relevance of a picture of noise is not the processor's: .+/],
    ["it dies", "dies", /it died of SIGSEGV/],
    ["it ends the process", "stops", /it ended with code 7/],
    ["it throws", "throws", /the device was lost/],
  ])("%s", async (_, name, why) => {
    const message = await sentence(name, options());
    expect(message).toMatch(new RegExp(`^${wrong} \\(${why.source}\\); take device cpu$`));
  });
  it("it hangs", async () => {
    const message = await sentence("hangs", { ...options(), trialMs: 4000 });
    expect(message).toBe(`${wrong} (it was not done after 4 s); take device cpu`);
  });
});

describe("an engine that is right", () => {
  it("passes, with how well it agrees and, where asked, the time of a frame", async () => {
    const { agreement, frameMs, fault } = await passTrial(engine("right"), { ...options(), measure: true });
    expect(fault).toBeUndefined();
    expect(agreement).toEqual({ error: 0, correlation: expect.closeTo(1, 6), sameClass: true });
    expect(frameMs).toBeGreaterThan(0);
  });
});

describe("what came of a trial", () => {
  it("is remembered, failures too, until engine, version or device are others", async () => {
    const cache = temporaryFolder();
    const tried = () => (existsSync(join(cache, "tried")) ? readdirSync(join(cache, "tried")).length : 0);
    for (let k = 0; k < 2; k++) {
      expect(await sentence("values", options(cache))).toContain("not the processor's");
      expect(tried()).toBe(1);
    }
    const { engine: where, ...rest } = engine("right");
    await passTrial({ ...rest, engine: where }, options(cache));
    expect(tried()).toBe(2);
    await passTrial({ ...rest, engine: where, version: "2" }, options(cache));
    await passTrial({ ...rest, engine: where }, { ...options(cache), adapter: "another card" });
    await passTrial({ ...rest, engine: where }, { ...options(cache), device: "cuda" });
    expect(tried()).toBe(5);
    // The same engine gone bad is believed, for it is not run again.
    const bad = { ...where, module: new URL("nowhere.mjs", MODULE).href };
    expect((await passTrial({ ...rest, engine: bad }, options(cache))).agreement?.sameClass).toBe(true);
  });
  it("holds for a day where a device failed by more than a wrong result, and for good where its map is wrong", async () => {
    const cache = temporaryFolder();
    const yesterday = new Date(Date.now() - 25 * 3_600_000);
    const written = async (name: string): Promise<boolean> => {
      await sentence(name, options(cache));
      const [file] = readdirSync(join(cache, "tried")) as [string];
      utimesSync(join(cache, "tried", file), yesterday, yesterday);
      await sentence(name, options(cache));
      const again = statSync(join(cache, "tried", file)).mtimeMs > yesterday.getTime() + 1000;
      rmSync(join(cache, "tried", file));
      return again;
    };
    expect(await written("throws")).toBe(true);
    expect(await written("values")).toBe(false);
  });
  it("is not that a memory was full", async () => {
    const cache = temporaryFolder();
    expect(await sentence("short", options(cache))).toContain("out of memory");
    expect(existsSync(join(cache, "tried"))).toBe(false);
  });
  it("is not believed where others could have written it", async () => {
    const cache = temporaryFolder();
    await sentence("values", options(cache));
    chmodSync(join(cache, "tried"), 0o777);
    const { engine: where, ...rest } = engine("right");
    await passTrial({ ...rest, engine: where }, options(cache));
    // Tried again, which nothing but a module that is not there shows.
    const bad = { ...where, module: new URL("nowhere.mjs", MODULE).href };
    await expect(passTrial({ ...rest, engine: bad }, options(cache))).rejects.toThrow("cannot run this model");
  });
  it("is not what a process was stopped from outside with", async () => {
    const cache = temporaryFolder();
    await sentence("stops", options(cache));
    expect(existsSync(join(cache, "tried"))).toBe(false);
  });
});
