import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { checkSource, Ledger, openSource } from "../../src/pipeline/index.js";
import { runCli } from "../cli/run-cli.js";
import { INSPECTION } from "../e2e/worker.js";
import { config, ffmpeg, pull, VIEW } from "./helpers.js";

let folder: string;
let looks: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "looked-"));
  looks = join(folder, "looks");
  writeFileSync(looks, "");
  const script = join(folder, "ffprobe");
  writeFileSync(script, `#!/bin/sh\ncase "$*" in *-i*) echo look >> "${looks}";; esac\nexec ffprobe "$@"\n`);
  chmodSync(script, 0o755);
  vi.stubEnv("FFPROBE_PATH", script);
  film("film.mp4", 64);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const film = (name: string, width: number): void =>
  ffmpeg("-f", "lavfi", "-i", `testsrc=size=${width}x48:rate=5`, "-frames:v", "5", join(folder, name));
const looked = (): number => readFileSync(looks, "utf8").split("\n").length - 1;

/** Checks a film, lets something happen, opens it and takes its frames; their widths. */
async function checkedAndOpened(between: () => void = () => {}): Promise<number[]> {
  const source = config({ url: join(folder, "film.mp4") });
  await checkSource(source, folder);
  expect(looked()).toBe(1);
  between();
  const widths: number[] = [];
  const opened = openSource(source, { ...VIEW, baseDir: folder }, new Ledger(source.name));
  await pull(opened, (frame) => {
    widths.push(frame.layout.width);
    frame.release();
  });
  return widths;
}

describe("a film that was checked is looked at", () => {
  test("once, when it is opened soon", async () => {
    expect(await checkedAndOpened()).toEqual([64, 64, 64, 64, 64]);
    expect(looked()).toBe(1);
  });

  test("again, when it has changed meanwhile", async () => {
    film("other.mp4", 96);
    expect(await checkedAndOpened(() => copyFileSync(join(folder, "other.mp4"), join(folder, "film.mp4")))).toEqual([
      96, 96, 96, 96, 96,
    ]);
    expect(looked()).toBe(2);
  });

  test("again, when that was long ago", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    await checkedAndOpened(() => vi.advanceTimersByTime(61_000));
    expect(looked()).toBe(2);
  });
});

describe("a film is looked at once", () => {
  test("by the worker", async () => {
    const path = join(folder, "config.json");
    const sources = [{ name: "belt", url: "film.mp4" }];
    const sinks = [{ kind: "files", path: "out" }];
    writeFileSync(path, JSON.stringify({ model: INSPECTION, sources, sinks, metrics: { port: 0 } }));
    expect(await runCli(["run", path])).toMatchObject({ code: 0 });
    expect(looked()).toBe(1);
  });

  test("by explain, which tells from that how many frames it has", async () => {
    const ended = await runCli(["explain", join(folder, "film.mp4"), "--model", INSPECTION.path]);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(looked()).toBe(1);
  });
});
