import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readCsv } from "../../src/csv.js";
import { findImages, spread } from "../../src/evaluate/images.js";
import { Classes } from "../../src/evaluate/labels.js";

const classes = new Classes(["ok", "scratch", "dent", "tabby, tabby cat"]);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evaluate-images-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Files of one byte each, or with that content. */
function lay(...names: (string | [string, string])[]): void {
  for (const each of names) {
    const [name, content] = typeof each === "string" ? [each, "x"] : each;
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** Names with their classes, and the masks' names where there are some. */
const found = (labels?: string, masks?: string) =>
  findImages({ images: folder, masks: masks && join(folder, masks) }, classes, labels).images.map(
    ({ name, targets }) => [
      name,
      ...targets.map(({ index, mask }) => (mask ? `${index} ${mask.slice(folder.length + 1)}` : index)),
    ],
  );

describe("images of a folder", () => {
  it.each(["\n", "\r\n"])("have the classes that labels.csv says, of lines that end in %j", (end) => {
    lay("b.png", "a.jpg", "c.png", "notes.txt");
    lay(["labels.csv", ["file,label,area,second", "b.png,dent,17,", "a.jpg,Scratch,3,ok", ""].join(end)]);
    expect(found()).toEqual([
      ["b", 2],
      ["a", 1, 0],
    ]);
  });

  it("have the classes of a file without a head, by name, index, and one of several names", () => {
    lay("a.png", "b.png", "c.png", ["mine.csv", "a.png;2\nb.png;tabby cat\nc;tabby\n"]);
    expect(found(join(folder, "mine.csv"))).toEqual([
      ["a", 2],
      ["b", 3],
      ["c", 3],
    ]);
  });

  it("have the classes that folders are named after", () => {
    lay("dent/1.png", "tabby_cat/2.png", "ok/3.png", "ok/.hidden.png");
    expect(found()).toEqual([
      ["dent/1", 2],
      ["ok/3", 0],
      ["tabby_cat/2", 3],
    ]);
  });

  it("have none where nothing says so, or where labels are not wanted", () => {
    lay("2.png", "10.png");
    expect(found()).toEqual([["2"], ["10"]]);
    lay("unknown/1.png", ["labels.csv", "2.png,dent"]);
    expect(found("none")).toEqual([["2"], ["10"], ["unknown/1"]]);
  });

  it("are those of its folder images, with the labels and masks beside it", () => {
    lay("images/a.png", "masks/a.png", ["labels.csv", "file,label\r\nimages/a.png,dent\r\n"]);
    expect(found()).toEqual([["a", "2 masks/a.png"]]);
  });

  it("have the mask of their name, or of their name and class where they have several", () => {
    lay("a.png", "b.png", "c.png", "d.png", ["labels.csv", "a.png,dent,ok\nb.png,dent\nc.png,ok\nd.png,dent"]);
    lay("m/a.dent.png", "m/a.ok.png", "m/a.png", "m/b.jpg", "m/d_mask.png");
    expect(found(undefined, "m")).toEqual([
      ["a", "2 m/a.dent.png", "0 m/a.ok.png"],
      ["b", "2 m/b.jpg"],
      ["c", 0],
      ["d", "2 m/d_mask.png"],
    ]);
  });

  it("have masks in folders of their class, which are no class themselves", () => {
    lay("dent/1.png", "ok/1.png", "masks/dent/1.png");
    expect(found(undefined, "masks")).toEqual([
      ["dent/1", "2 masks/dent/1.png"],
      ["ok/1", 0],
    ]);
  });

  it.each<[string, (string | [string, string])[], RegExp]>([
    ["no image", ["notes.txt"], /holds no images, nor does a folder in it/],
    [
      "a class that is not known",
      ["a.png", ["labels.csv", "file,label\na.png,hole"]],
      /line 2 names the class "hole", which the model does not have; it has ok, scratch/,
    ],
    [
      "a class that is not known, and no head",
      ["a.png", ["labels.csv", "a.png,hole"]],
      /line 1 names the class "hole"/,
    ],
    ["a folder that is no class", ["holes/a.png"], /the folder .*holes names the class "holes"/],
    [
      "a file that is not there",
      ["a.png", ["labels.csv", "a.png,ok\nb.png,ok"]],
      /line 2 names b\.png, which is no image/,
    ],
    [
      "a file that is not there in the first line",
      ["a.png", ["labels.csv", "b.png,hole"]],
      /line 1 names the class "hole"/,
    ],
    [
      "an image named twice, once without its ending",
      ["a.png", ["labels.csv", "a.png,ok\na,dent"]],
      /line 2 names a a second time/,
    ],
    ["a file of labels that has a head alone", ["a.png", ["labels.csv", "file,label\n"]], /holds no line with a label/],
    ["an image named twice", ["a.png", ["labels.csv", "a.png,ok\na.png,dent"]], /line 2 names a\.png a second time/],
    ["a line without a label", ["a.png", ["labels.csv", "file,label\na.png,"]], /line 2 holds no image with a label/],
    ["an empty file of labels", ["a.png", ["labels.csv", "\n"]], /holds no line/],
  ])("are refused in a sentence: %s", (_, files, sentence) => {
    lay(...files);
    expect(() => found()).toThrow(sentence);
  });

  it("are refused in a sentence where their folder is not there", () => {
    expect(() => findImages({ images: join(folder, "nowhere") }, classes, undefined)).toThrow(
      /nowhere does not exist; give a folder of images/,
    );
  });

  it("lie also behind links to folders, and links that lead nowhere or back are none", () => {
    lay("elsewhere/dent/1.png", "in/ok/2.png");
    symlinkSync(join(folder, "elsewhere/dent"), join(folder, "in/dent"));
    for (const name of ["in/round", "in/ok/back"]) symlinkSync(join(folder, name), join(folder, name));
    symlinkSync(join(folder, "in"), join(folder, "in/ok/up"));
    const { images } = findImages({ images: join(folder, "in") }, classes, undefined);
    expect(images.map(({ name }) => name)).toEqual(["dent/1", "ok/2"]);
  });

  it("share no mask with those of their name in other folders", () => {
    lay("dent/1.png", "ok/1.png", "ok/2.png", "m/1.png", "m/2.png");
    const { images } = findImages({ images: folder, masks: join(folder, "m") }, classes, undefined);
    expect(images.map(({ name, targets }) => [name, targets[0]!.mask?.slice(folder.length + 1)])).toEqual([
      ["dent/1", undefined],
      ["ok/1", undefined],
      ["ok/2", "m/2.png"],
    ]);
  });

  it("have masks without a class where they have none", () => {
    lay("a.png", "b.png", "m/a_mask.png", "m/b.dent.png");
    const { images } = findImages({ images: folder, masks: join(folder, "m") }, classes, "none");
    expect(images.map(({ name, mask }) => [name, mask?.slice(folder.length + 1)])).toEqual([
      ["a", "m/a_mask.png"],
      ["b", undefined],
    ]);
  });

  it("say which of them are left out", () => {
    lay("a.png", "b.png", ["labels.csv", "a.png,ok"]);
    expect(findImages({ images: folder }, classes, undefined).notes).toEqual([expect.stringContaining("1 images of")]);
  });
});

describe("lines of comma separated values", () => {
  it("come back as they were written, whatever stands in them", () => {
    const cell = fc.string({
      unit: fc.constantFrom("a", " ", ",", '"', ";", "é", "\n", "\r"),
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }), (rows) => {
        const text = rows.map((row) => row.map((c) => `"${c.replaceAll('"', '""')}"`).join(",")).join("\r\n");
        expect([...readCsv(text)].map(({ cells }) => cells)).toEqual(rows);
      }),
    );
  });
});

describe("rows as other programs write them", () => {
  it.each<[string, string, string[][]]>([
    ["empty cells between tabs", "a\t\tdent\n", [["a", "", "dent"]]],
    [
      "an empty cell in front",
      ",file\n0,a\n",
      [
        ["", "file"],
        ["0", "a"],
      ],
    ],
    [
      "a byte order mark, quotes and CRLF",
      '\uFEFF"a, b";dent\r\n\r\nc ; ok',
      [
        ["a, b", "dent"],
        ["c", "ok"],
      ],
    ],
    ["a quote that is never closed", 'a,"b\nc', [["a", "b\nc"]]],
  ])("%s", (_, text, rows) => {
    expect([...readCsv(text)].map(({ cells }) => cells)).toEqual(rows);
  });

  it("say on which line they begin, past the breaks in quotes", () => {
    expect([...readCsv('"a\r\nb",1\n\nc,2')].map(({ line }) => line)).toEqual([1, 4]);
  });
});

describe("a choice of images", () => {
  const images = Array.from({ length: 40 }, (_, k) => ({ k, targets: [{ index: k < 30 ? 0 : 1 + (k % 3) }] }));

  it("has as many of each class as there are, or as fit", () => {
    const chosen = spread(images, 12, 5);
    const counts = [0, 1, 2, 3].map((c) => chosen.filter(({ targets }) => targets[0]!.index === c).length);
    expect(counts).toEqual([3, 3, 3, 3]);
    expect(spread(images, 100, 5)).toEqual(images);
  });

  it("is the same for a seed, and another for another", () => {
    expect(spread(images, 12, 5)).toEqual(spread(images, 12, 5));
    expect(spread(images, 12, 6)).not.toEqual(spread(images, 12, 5));
  });
});
