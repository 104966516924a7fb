import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { excess, MAX_ANCHORS, MAX_NODES } from "../src/bounded-yaml.js";
import { loadConfig } from "../src/config/load.js";
import { loadModel } from "../src/explain/model/load.js";

const folder = mkdtempSync(join(tmpdir(), "bounded-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lines = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

test("what a thousand sources or the labels of a large model need is no excess, at any limit one more is", () => {
  expect(
    excess(lines(1000, (i) => `- { name: cam-${i}, url: "rtsp://h/${i}", fps: 5, rotate: 90, loop: true } # ${i}`)),
  ).toBeUndefined();
  expect(excess(lines(21_843, (i) => `- label, number ${i}`))).toBeUndefined();
  expect(excess(lines(MAX_NODES / 2, (i) => `k${i}: ${i}`))).toBeUndefined();
  expect(excess(`${lines(MAX_NODES / 2, (i) => `k${i}: ${i}`)}\nmore: 1`)).toBe(
    `more than ${MAX_NODES} keys and values`,
  );
  expect(excess(lines(MAX_ANCHORS, (i) => `k: &a${i} 1`))).toBeUndefined();
  expect(excess(lines(MAX_ANCHORS + 1, (i) => `k: *a${i}`))).toBe(`more than ${MAX_ANCHORS} anchors and aliases`);
  expect(excess("[".repeat(MAX_NODES + 1))).toMatch(/^more than/);
});

const anchored = lines(40_000, (i) => `k${i}: &a${i} ${i}`);

/** A model whose card is made by `make`. */
function modelWith(make: (card: string) => void): string {
  const model = mkdtempSync(join(folder, "model-"));
  cpSync(resolve(import.meta.dirname, "../models/inspection-cnn/model.onnx"), join(model, "model.onnx"));
  make(join(model, "model.yaml"));
  return model;
}
const pipe = (file: string): void => void execFileSync("mkfifo", [file]);

test.each<[string, (card: string) => void, RegExp]>([
  [
    "of very many anchored keys",
    (f) => writeFileSync(f, anchored),
    /model\.yaml: the model card has more than 1000 anchors/,
  ],
  [
    "that is large",
    (f) => writeFileSync(f, "#".repeat(2 ** 21)),
    /model\.yaml takes 2 MiB, and a model card may take 1 MiB at most; /,
  ],
  [
    "that is a device without end",
    (f) => symlinkSync("/dev/zero", f),
    /model\.yaml cannot be read \(it is a device\); /,
  ],
  ["that is a pipe", pipe, /model\.yaml cannot be read \(it is a pipe\); /],
  ["that is a folder", (f) => mkdirSync(f), /model\.yaml cannot be read \(it is a folder\); /],
  [
    "that gives a key twice",
    (f) => writeFileSync(f, "name: a\nname: b\n"),
    /model\.yaml:2:1: the model card gives name twice; keep one$/,
  ],
])("a model card %s is refused in one sentence", (_name, make, sentence) => {
  expect(() => loadModel(modelWith(make))).toThrow(sentence);
});

test.each<[string, (file: string) => void, RegExp]>([
  [
    "of very many anchored keys",
    (f) => writeFileSync(f, anchored),
    /^.*:1:1: the text has more than 1000 anchors and aliases; /,
  ],
  ["that is a device without end", (f) => symlinkSync("/dev/zero", f), /is larger than 1 MiB; /],
  ["that is a folder", (f) => mkdirSync(f), /is a folder; give the YAML file in it$/],
  ["that is a pipe nobody writes into", pipe, /is a pipe that nobody writes into; /],
])("a configuration %s is refused in one sentence", async (_name, make, sentence) => {
  const file = join(mkdtempSync(join(folder, "config-")), "config.yaml");
  make(file);
  await expect(loadConfig(file, {})).rejects.toThrow(sentence);
});
