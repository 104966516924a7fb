import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { expandGlob, regularFiles } from "../../src/pipeline/sources/glob.js";
import { nameMatcher } from "../../src/pipeline/sources/name-matcher.js";
import { temporaryFolder } from "./helpers.js";

/** The obvious twin: the pattern as a regular expression, whose time has no bound. */
function expression(glob: string): RegExp {
  const source = (text: string): string =>
    text.replace(/\*+/g, "*").replace(/\[!?[^\]]+\]|\{[^}]*\}|[*?]|[.+^$()|[\]{}\\]/g, (token) => {
      if (token === "*") return "[^/]*";
      if (token === "?") return "[^/]";
      if (token.length > 1 && token.startsWith("[")) return token.replace(/^\[!/, "[^").replaceAll("\\", "\\\\");
      if (token.length > 1) return `(?:${token.slice(1, -1).split(",").map(source).join("|")})`;
      return `\\${token}`;
    });
  return new RegExp(`^${source(glob)}$`, "s");
}

const name = fc.string({ unit: fc.constantFrom(..."aab.-[{\\+,"), maxLength: 8 });
const token = fc.constantFrom(
  ..."aaabb.+\\]}{$",
  "*",
  "*",
  "?",
  "**",
  "[ab]",
  "[!a]",
  "[a-b.]",
  "[-a]",
  "{a,b*}",
  "{,a?}",
  "{a}",
);
const pattern = fc.array(token, { maxLength: 7 }).map((tokens) => tokens.join(""));

test("names match as by a regular expression of the same meaning", () => {
  fc.assert(
    fc.property(pattern, fc.array(name, { minLength: 20, maxLength: 20 }), (glob, names) => {
      const [matches, twin] = [nameMatcher(glob), expression(glob)];
      for (const each of names) expect(matches(each), `${glob} ${each}`).toBe(twin.test(each));
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ["picture-*.jpg", "picture-10.jpg", true],
  ["picture-*.jpg", "picture-10.jpeg", false],
  ["picture-??.{jpg,png}", "picture-10.png", true],
  ["[a-c]*", "dog", false],
  ["[!a-c]*", "dog", true],
  ["*ü?", "Gemüse😀", false],
  ["*ü??", "Menü😀😀", true],
])("%s and %s: %s", (glob, each, expected) => {
  expect(nameMatcher(glob)(each)).toBe(expected);
});

test("patterns made to try every way take no time", () => {
  const long = "a".repeat(255);
  for (const glob of ["*a".repeat(1000), "{a,a}".repeat(255), "{*,*a,a*}".repeat(100), `${"?*".repeat(250)}b`]) {
    expect(nameMatcher(`${glob}Q`)(long)).toBe(false);
  }
}, 5000);

const folder = temporaryFolder();
const found = async (glob: string) => (await expandGlob(join(folder, glob))).map((path) => relative(folder, path));

test("wildcards stand for a part of a name in any folder of the path", async () => {
  for (const day of ["mon", "tue", "wed[1]"]) {
    mkdirSync(join(folder, day, "belt"), { recursive: true });
    for (const file of ["a1.jpg", "a2.jpg", "b1.png"]) writeFileSync(join(folder, day, "belt", file), "");
  }
  writeFileSync(join(folder, "tuesday"), "");
  expect(await found("*/belt/a*.jpg")).toEqual(
    ["mon", "tue", "wed[1]"].flatMap((day) => [`${day}/belt/a1.jpg`, `${day}/belt/a2.jpg`]),
  );
  expect(await found("{mon,tue*}/*/b?.png")).toEqual(["mon/belt/b1.png", "tue/belt/b1.png"]);
  expect(await found("t*")).toEqual(["tue", "tuesday"]);
  expect(await found("*/belt")).toEqual(["mon/belt", "tue/belt", "wed[1]/belt"]);
  expect(await found("*/none")).toEqual([]);
  expect(await found("none/*.jpg")).toEqual([]);
  expect(await found("mon")).toEqual(["mon"]);
  expect(await found("none")).toEqual([]);
});

test("links that lead back are followed no further than the pattern goes, and are no files", async () => {
  mkdirSync(join(folder, "round"));
  symlinkSync(".", join(folder, "round/again"));
  symlinkSync("self", join(folder, "round/self"));
  symlinkSync("../mon/belt/a1.jpg", join(folder, "round/link.jpg"));
  expect(await found("round/*/*/*/link.jpg")).toEqual(["round/again/again/again/link.jpg"]);
  expect(await regularFiles(await expandGlob(join(folder, "round/*")))).toEqual([join(folder, "round/link.jpg")]);
});

test("a glob that leads into a thousand folders is refused", async () => {
  for (let i = 0; i < 40; i++)
    for (let k = 0; k < 40; k++) mkdirSync(join(folder, `wide/${i}/${k}`), { recursive: true });
  expect(await found("wide/*/3")).toHaveLength(40);
  await expect(found("wide/*/*/*.jpg")).rejects.toThrow(InputError);
  await expect(found("wide/*/*/*.jpg")).rejects.toThrow("looks into more than 1000 folders; name more of its path");
});

test("others have their turn while a large folder is looked through", async () => {
  mkdirSync(join(folder, "many"));
  for (let i = 0; i < 5000; i++) writeFileSync(join(folder, "many", `${"a".repeat(200)}${i}`), "");
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await found(`many/${"*a".repeat(20)}*Q`);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
});
