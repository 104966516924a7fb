import { spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { compileRunner } from "../../../src/explain/runtime/choose-device.js";
import {
  type CompiledModel,
  CompiledStore,
  cacheFolder,
  compilerState,
} from "../../../src/explain/runtime/compiled-store.js";
import type { ExplainerOptions } from "../../../src/explain/runtime/explainer-options.js";

const MODEL = fileURLToPath(new URL("../../../models/efficientnet-lite0", import.meta.url));
let folder: string;
let model: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compiled-"));
  model = join(folder, "model");
  cpSync(MODEL, model, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const cache = (): string => join(folder, "cache");
const options = (more: Partial<ExplainerOptions> = {}): ExplainerOptions => ({
  method: "r-lrp",
  inputRule: "bounded",
  start: "one-hot",
  target: "top",
  top: 3,
  grid: { rows: 4, columns: 4 },
  blur: 2,
  model,
  engine: "onnxruntime",
  device: "cpu",
  threads: 1,
  cache: cache(),
  ...more,
});
const entries = (): string[] => (existsSync(cache()) ? readdirSync(cache()) : []);

/** The heatmap of one picture, as the worker would make it. */
async function heatmap(given = options()): Promise<{ map: Uint8Array; notes: string[] }> {
  const { runner, preprocessing, notes } = await compileRunner(given, false);
  try {
    const { width, height } = preprocessing;
    const frames = Uint8Array.from({ length: width * height * 3 }, (_, k) => (k * 7 + (k >> 8) * 13) % 256);
    const out = await runner.run({
      frames: { data: frames, dims: [1, height, width, 3] },
      scale: { data: new Float32Array(1), dims: [1] },
    });
    return { map: Uint8Array.from(out.heatmap!.data as Uint8Array), notes };
  } finally {
    await runner.close();
  }
}

describe("a compiled model is kept for the next start", () => {
  it("which gives the same map, bit for bit", async () => {
    const first = await heatmap();
    expect(entries()).toHaveLength(1);
    const written = readFileSync(join(cache(), entries()[0]!, "entry.json"));
    const second = await heatmap();
    expect(second.map).toEqual(first.map);
    expect(second.notes).toEqual([]);
    expect(readFileSync(join(cache(), entries()[0]!, "entry.json"))).toEqual(written);
    expect((await heatmap(options({ cache: "off" }))).map).toEqual(first.map);
  });

  it("with what there is to say of the model, and apart for each output that is named", async () => {
    writeFileSync(join(model, "labels.txt"), Array.from({ length: 1000 }, (_, k) => `${k} thing\n`).join(""));
    const first = await heatmap();
    expect(first.notes).toEqual([expect.stringContaining("count its lines and are left out")]);
    expect((await heatmap()).notes).toEqual(first.notes);
    await expect(heatmap(options({ output: "no such" }))).rejects.toThrow('has no output "no such"');
  });

  it("under a name that tells every file of the compiler, which may differ without another version", () => {
    const file = new URL("../../../src/explain/rules/r-lrp.ts", import.meta.url);
    const { size, mtimeMs } = statSync(file);
    expect(compilerState()).toContainEqual([join("rules", "r-lrp.ts"), size, mtimeMs]);
  });

  it("of other options apart", async () => {
    const first = await heatmap();
    const flat = await heatmap(options({ inputRule: "flat" }));
    expect(flat.map).not.toEqual(first.map);
    expect(entries()).toHaveLength(2);
  });

  it.each([
    ["model", () => utimesSync(join(model, "model.onnx"), new Date(), new Date(2001, 1))],
    ["card", () => appendFileSync(join(model, "model.yaml"), "\n# read again\n")],
  ])("and made again when the %s has changed", async (_what, change) => {
    const first = await heatmap();
    const written = readFileSync(join(cache(), entries()[0]!, "entry.json"), "utf8");
    change();
    expect((await heatmap()).map).toEqual(first.map);
    expect(readFileSync(join(cache(), entries()[0]!, "entry.json"), "utf8")).not.toBe(written);
  });

  it.each(["graph.onnx", "blocked.weights", "entry.json"])(
    "and made again when its %s is damaged, saying so",
    async (name) => {
      const first = await heatmap();
      const file = join(cache(), entries()[0]!, name);
      const bytes = readFileSync(file);
      bytes[bytes.length >> 1]! ^= 0xff;
      writeFileSync(file, bytes);
      const { map, notes } = await heatmap();
      expect(map).toEqual(first.map);
      expect(notes).toHaveLength(1);
      expect(notes[0]).toMatch(/damaged .* made again$/);
      expect((await heatmap()).notes).toEqual([]);
    },
  );

  it("but only the one just made where no more fit into the cache", async () => {
    await heatmap(options({ cacheBytes: 1000 }));
    const [first] = entries();
    await heatmap(options({ cacheBytes: 1000, top: 4 }));
    expect(entries()).toHaveLength(1);
    expect(entries()).not.toContain(first);
  });

  it("unless its folder cannot be made, which only costs the cache", async () => {
    writeFileSync(cache(), "a file where the folder should be");
    const { map, notes } = await heatmap();
    expect(map.some((v) => v !== 128)).toBe(true);
    expect(notes).toEqual([]);
    expect(readFileSync(cache(), "utf8")).toBe("a file where the folder should be");
  });

  it("unless others can write there, who could put in anything: then it is compiled anew, saying why", async () => {
    const first = await heatmap();
    const entry = join(cache(), entries()[0]!);
    for (const place of [join(entry, "graph.onnx"), entry]) {
      chmodSync(place, 0o777);
      const { map, notes } = await heatmap();
      expect(map).toEqual(first.map);
      expect(notes).toEqual([expect.stringContaining(`${place} can be written by other users; run chmod go-w on it`)]);
      expect((await heatmap()).notes).toEqual([]);
    }
    chmodSync(cache(), 0o777);
    const before = entries();
    const { map, notes } = await heatmap();
    expect(map).toEqual(first.map);
    expect(notes).toEqual([
      `compiled models are not kept: ${cache()} can be written by other users; run chmod go-w on it`,
    ]);
    expect(entries()).toEqual(before);
  });

  it("by several processes at once", async () => {
    const script = `
      const { compileRunner } = await import(${JSON.stringify(new URL("../../../dist/explain/runtime/choose-device.js", import.meta.url).href)});
      const { runner } = await compileRunner(JSON.parse(process.argv[1]), false);
      await runner.close();`;
    const codes = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise<number | null>((resolve) => {
            const child = spawn(process.execPath, ["--input-type=module", "-e", script, JSON.stringify(options())]);
            child.on("exit", resolve);
          }),
      ),
    );
    expect(codes).toEqual([0, 0, 0]);
    expect(entries()).toHaveLength(1);
    expect((await heatmap()).notes).toEqual([]);
  });
});

describe("the folder of compiled models", () => {
  const about = { files: [] } as unknown as CompiledModel;
  const put = (store: CompiledStore, key: string, bytes: number, used: number): void => {
    const place = store.begin(key)!;
    writeFileSync(join(place, "graph.onnx"), new Uint8Array(bytes));
    store.commit(key, place, about);
    utimesSync(join(store.folder, key), used, used);
  };

  it("loses the entries not used for longest beyond its size", () => {
    const store = new CompiledStore(cache(), 3000);
    put(store, "a", 1000, 1);
    put(store, "b", 1000, 3);
    put(store, "c", 1000, 2);
    expect(entries().sort()).toEqual(["b", "c"]);
    store.find("c");
    put(store, "d", 1000, 4);
    expect(entries().sort()).toEqual(["c", "d"]);
  });

  it("loses what a compile that was cut off left behind", () => {
    const store = new CompiledStore(cache());
    const left = store.begin("left")!;
    utimesSync(left, 1, 1);
    const young = store.begin("young")!;
    put(store, "a", 10, 1);
    expect(existsSync(left)).toBe(false);
    expect(existsSync(young)).toBe(true);
  });

  it("is where the system keeps caches, or where it is said to be, or nowhere", () => {
    expect(cacheFolder(undefined)).toBe(join(process.env.XDG_CACHE_HOME!, "video-explainer", "compiled"));
    expect(cacheFolder("auto")).toBe(cacheFolder(undefined));
    expect(cacheFolder("/srv/cache")).toBe("/srv/cache");
    expect(cacheFolder("off")).toBeUndefined();
  });
});
