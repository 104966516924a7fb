import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { labelsIn } from "../../../src/explain/model/label-text.js";
import { loadModel } from "../../../src/explain/model/load.js";
import { classifier, node, patched } from "../onnx/messages.js";

const model = classifier([node("Relu", ["image"], ["y"])]);
const single = patched(model, (m) => {
  m.graph.initializer[0].dims = [3, 1];
  m.graph.initializer[0].rawData = m.graph.initializer[0].rawData.subarray(0, 12);
});

let folder: string;
let outside: string;
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "labels-"));
  folder = join(outside, "model");
  mkdirSync(folder);
  writeFileSync(join(folder, "model.onnx"), model);
});
afterEach(() => rmSync(outside, { recursive: true }));

const put = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const labels = (): readonly string[] => loadModel(folder).info.labels;
function refusal(): string {
  try {
    loadModel(folder);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    const { message } = error as Error;
    expect(message).toMatch(/^[^\n]{1,400}[^.]$/);
    expect(message).toContain(folder);
    return message;
  }
  throw new Error("the labels were accepted");
}

describe("labels are read as tools write them", () => {
  const cat = ["cat", "dog, wild", "cow", "4"];
  it.each<[string, string, string | Uint8Array, string[]]>([
    [
      "ImageNet's identifiers",
      "labels.txt",
      "n01440764 cat\nn01443537 dog, wild\nn01484850 cow\nn01491361 4\n\n\n",
      cat,
    ],
    ["a table with a head", "labels.csv", 'id,label\r\n1,"dog, wild"\r\n0,cat\r\n2,cow\r\n3,4\r\n', cat],
    ["a table with more columns", "labels.csv", "label;id;colour\ncat;0;x\ndog, wild;1;y\ncow;2;z\n4;3;x\n", cat],
    ["a table without a head", "labels.csv", 'cat,0\n"dog, wild",1\ncow,2\n4,3\n', cat],
    ["a column with a head", "labels.csv", 'label\ncat\n"dog, wild"\ncow\n4\n', cat],
    ["the number behind", "labels.txt", "cow,2\ncat,0\ndog,1\nhen,3\n", ["cat", "dog", "cow", "hen"]],
    [
      "Keras's class_indices",
      "class_indices.json",
      '{"dog": 1, "cat": 0, "cow": 2, "hen": 3}',
      ["cat", "dog", "cow", "hen"],
    ],
    [
      "a map within",
      "labels.json",
      '{"names": ["cat", "dog", "cow", "hen"], "version": 3}',
      ["cat", "dog", "cow", "hen"],
    ],
    ["names of a data set as a list", "data.yaml", "nc: 4\nnames: [cat, dog, 'no', 4]\n", ["cat", "dog", "no", "4"]],
    [
      "names of a data set as a map",
      "data.yaml",
      "names:\n  0: cat\n  1: dog\n  3: hen\n  2: cow\n",
      ["cat", "dog", "cow", "hen"],
    ],
    [
      "UTF-16, the big end first",
      "labels.txt",
      Buffer.from("\ufeffcat\r\nküh\r\nc\r\nd", "utf16le").swap16(),
      ["cat", "küh", "c", "d"],
    ],
    [
      "UTF-16 without a mark",
      "labels.txt",
      Buffer.from("cat\r\ndog\r\nc\r\nd\r\n", "utf16le"),
      ["cat", "dog", "c", "d"],
    ],
    ["a mark of UTF-8", "classes.txt", "\ufeffcat\ndog\nc\nd\n", ["cat", "dog", "c", "d"]],
    ["a background that has no class", "labels.txt", "background\ncat\ndog\nc\nd\n", ["cat", "dog", "c", "d"]],
    [
      "commas that separate nothing",
      "labels.txt",
      "tench, Tinca tinca\ngoldfish, Carassius\na, b\nc, d\n",
      ["tench, Tinca tinca", "goldfish, Carassius", "a, b", "c, d"],
    ],
  ])("%s", (_, name, content, expected) => {
    put(name, content);
    expect(labels()).toEqual(expected);
  });

  it("a file of many lines, or of long rows of blanks, takes no more time than it is long", () => {
    put("labels.txt", `a${"\t".repeat(3e5)}b\n0${"\t".repeat(3e5)}\n`);
    expect(() => labels()).toThrow(/has 2 labels|takes over 1000 characters/);
    put("labels.txt", "a\n".repeat(2e5));
    expect(() => labels()).toThrow("has 200000 labels");
  });

  it("a file of another name that holds no labels is left alone", () => {
    put("data.yaml", "path: ../data\ntrain: images\n");
    put("classes.json", "nothing");
    expect(labels()[0]).toBe("class 0");
  });

  it("as they are written, in each of these ways", () => {
    const label = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
      .filter((text) => text.trim() === text && !/[\p{Cc}\p{Zl}\p{Zp}\ufeff"]/u.test(text) && /\p{L}/u.test(text[0]!));
    const four = fc.uniqueArray(label, { minLength: 4, maxLength: 4 });
    const table = (given: readonly string[]): string => given.map((text, k) => `${k},"${text}"`).join("\n");
    fc.assert(
      fc.property(four, (given) => {
        for (const [name, content] of [
          ["labels.json", JSON.stringify(given)],
          ["labels.json", JSON.stringify(Object.fromEntries(given.map((text, k) => [k, text])))],
          ["labels.csv", `id,label\n${table(given)}`],
          ["labels.csv", table(given)],
          ["data.yaml", `names: ${JSON.stringify(given)}`],
          ["labels.txt", given.map((text) => `n01440764 ${text}`).join("\r\n")],
          ["labels.txt", `${given.map((text, k) => `${k}: ${text}`).join("\n")}\n\n`],
        ] as const) {
          put(name, content);
          expect(labelsIn(join(folder, name), [])).toEqual(given);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("labels in the card are taken as they are written", () => {
  it.each([
    ["labels: [0, 1, 2, 3]", ["0", "1", "2", "3"]],
    ["labels: [007, 1.50, true, ~x]", ["007", "1.50", "true", "~x"]],
    ["labels: {0: cat, 1: dog, 3: 4, 2: cow}", ["cat", "dog", "cow", "4"]],
    ["labels: [a, a, b, c]", ["a", "a", "b", "c"]],
  ])("%s", (card, expected) => {
    put("model.yaml", `${card}\n`);
    expect(labels()).toEqual(expected);
  });

  it.each([
    ["labels: {0: a, 1: b, 2: c, 4: d}", "has no label for class 3; number its classes from 0 on"],
    ["labels: [a, ~, b, c]", "labels is wrong: must be the name of a file, a list of labels, or a map"],
    ["labels: 5", "labels is wrong: must be the name of a file, a list of labels, or a map"],
    ["labels: [a, '', b, c]", "has no text for label 2"],
    ["input: {mean: '127.5'}", "input.mean is wrong: must be a number, or a list of one number a channel, 3 at most"],
    ["input: {mean: [1, 2, 3, 4]}", "input.mean is wrong: must be a number, or a list of one number a channel"],
    ["input: {width: wide}", "input.width is wrong: must be a number"],
  ])("%s is refused in plain words", (card, words) => {
    put("model.yaml", `${card}\n`);
    expect(refusal()).toContain(words);
    expect(refusal()).not.toMatch(/invalid input/i);
  });
});

describe("a file of labels is read", () => {
  it.each<[string, string, string | Uint8Array]>([
    ["one a line", "labels.txt", "a\nb b\nc\nd"],
    [
      "with CRLF, a byte order mark, blanks and empty lines at the end",
      "labels.txt",
      "\ufeffa\r\nb b  \r\n c\r\nd\r\n\r\n \r\n",
    ],
    ["with lines that end as on old systems", "labels.txt", "a\rb b\rc\rd\r"],
    ["in UTF-16, as an editor saved it", "labels.txt", Buffer.from("\ufeffa\r\nb b\r\nc\r\nd\r\n", "utf16le")],
    ["as a list in JSON", "labels.json", '["a", "b b", "c", "d"]\n'],
    ["as a map from number to label in JSON", "labels.json", '{"0": "a", "2": "c", "1": "b b", "3": "d"}'],
    ["as a map from label to number in JSON", "labels.json", '{"d": 3, "a": 0, "b b": 1, "c": 2}'],
    [
      "as Keras lists ImageNet",
      "labels.json",
      '{"0": ["n1", "a"], "1": ["n2", "b b"], "2": ["n3", "c"], "3": ["n4", "d"]}',
    ],
    [
      "as a transformer's config has it",
      "config.json",
      '{"id2label": {"0": "a", "1": "b b", "2": "c", "3": "d"}, "x": 1}',
    ],
  ])("%s", (_what, name, content) => {
    put(name, content);
    put("model.yaml", `labels: ${name}\n`);
    expect(labels()).toEqual(["a", "b b", "c", "d"]);
    expect(loadModel(folder).notes).toEqual([]);
  });

  it.each(["0 a\n1 b b\n2 c\n3 d\n", "1: a\n2: b b\n3: c\n4: d\n", "0,a\n1,b b\n2,c\n3,d"])(
    "without the numbers of its lines, which a sentence says: %j",
    (content) => {
      put("labels.txt", content);
      expect(labels()).toEqual(["a", "b b", "c", "d"]);
      expect(loadModel(folder).notes[0]).toMatch(/the numbers before the labels .* are left out: class 0 is "a"/);
    },
  );

  it("with numbers that are part of the labels", () => {
    put("labels.txt", "10 mm\n20 mm\n30 mm\n50 mm\n");
    expect(labels()).toEqual(["10 mm", "20 mm", "30 mm", "50 mm"]);
  });
});

describe("a file of labels is refused in a sentence that names it", () => {
  it.each<[string, string | Uint8Array, string]>([
    ["numbered in another order", "1 b\n0 a\n2 c\n3 d\n", "numbers its lines, but not in their order"],
    ["of a TensorFlow detector", "item {\n id: 1\n name: 'a'\n}\n", "is a label map (pbtxt)"],
    ["with an empty line in between", "a\n\nb\nc", "has no text for label 2"],
    ["of another length", "a\nb\n", "has 2 labels, but the model has 4 classes; it needs one label a line"],
    ["that is empty", "", "has 0 labels, but the model has 4 classes"],
    ["that is no UTF-8", Uint8Array.of(65, 0xe4, 10, 66), "is not text in UTF-8"],
    ["with a line that never ends", `a\nb\nc\n${"d".repeat(5000)}`, "takes over 1000 characters"],
  ])("%s", (_what, content, words) => {
    const file = put("labels.txt", content);
    expect(refusal()).toContain(words);
    expect(refusal()).toContain(file);
  });

  it("of JSON that holds none", () => {
    put("model.yaml", "labels: labels.json\n");
    put("labels.json", '{"a": {"b": 1}}');
    expect(refusal()).toMatch(/has no label for class 0|holds no labels that can be read/);
    put("labels.json", "[1, {}]");
    expect(refusal()).toContain("holds no labels that can be read");
    put("labels.json", "{");
    expect(refusal()).toContain("is not JSON");
  });
});

describe("nothing is read that waits, never ends or lies elsewhere", () => {
  it("a pipe and a device as labels, model or card", () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    put("model.yaml", "labels: pipe\n");
    expect(refusal()).toMatch(/pipe cannot be read \(it is a pipe\)/);
    put("model.yaml", "model: pipe\n");
    expect(refusal()).toMatch(/pipe cannot be read \(it is a pipe\)/);
    rmSync(join(folder, "model.yaml"));
    symlinkSync("/dev/zero", join(folder, "model.yaml"));
    expect(refusal()).toMatch(/cannot be read \(it is a device\)/);
  });

  it("labels and cards of gigabytes", () => {
    const file = put("labels.txt", "a\n");
    truncateSync(file, 10 * 2 ** 30);
    expect(refusal()).toMatch(/labels\.txt takes 10240 MiB, and labels may take 4 MiB at most/);
    rmSync(file);
    truncateSync(put("model.yaml", "name: x\n"), 2 ** 30);
    expect(refusal()).toMatch(/model\.yaml takes 1024 MiB, and a model card may take 1 MiB at most/);
  });

  it.each(["/etc/hostname", "../secret.txt", "/dev/zero"])("labels: %s", (named) => {
    writeFileSync(join(outside, "secret.txt"), "a\nb\nc\nd\n");
    put("model.yaml", `labels: ${named}\n`);
    expect(refusal()).toMatch(/the label file "[^"]*" lies outside the card's own folder; copy it there$/);
  });

  it("labels and a model behind a link that leads outside", () => {
    writeFileSync(join(outside, "secret.txt"), "a\nb\nc\nd\n");
    symlinkSync("../secret.txt", join(folder, "labels.txt"));
    expect(refusal()).toMatch(/the label file "labels\.txt" lies outside/);
    rmSync(join(folder, "labels.txt"));
    writeFileSync(join(outside, "other.onnx"), model);
    symlinkSync("../other.onnx", join(folder, "other.onnx"));
    for (const named of ["other.onnx", "../other.onnx"]) {
      put("model.yaml", `model: ${named}\n`);
      expect(refusal()).toMatch(/lies outside the card's own folder/);
    }
  });

  it("but a model that the user names behind a link is read, and labels behind links that stay inside", () => {
    symlinkSync(join(folder, "model.onnx"), join(outside, "linked.onnx"));
    expect(loadModel(join(outside, "linked.onnx")).classes).toBe(4);
    mkdirSync(join(folder, "..data"));
    put("..data/labels.txt", "a\nb\nc\nd\n");
    symlinkSync("..data/labels.txt", join(folder, "labels.txt"));
    expect(labels()).toEqual(["a", "b", "c", "d"]);
  });
});

describe("one score with two labels", () => {
  beforeEach(() => put("model.onnx", single));

  it("means what a low and what a high one says", () => {
    put("model.yaml", "labels: [ok, defect]\n");
    const { info, notes } = loadModel(folder);
    expect(info.labels).toEqual(["defect"]);
    expect(notes).toEqual(['the model has one score, of "defect": "ok" is what a probability near 0 means']);
  });

  it("and three are refused with what may be written", () => {
    put("model.yaml", "labels: [ok, defect, odd]\n");
    expect(refusal()).toContain("for each class, or two: what a low and what a high score means");
  });
});
