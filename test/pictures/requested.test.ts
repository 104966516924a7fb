import { readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { PictureMemory } from "../../src/pictures/memory.js";
import { readRequested } from "../../src/pictures/requested.js";

const view = { inputWidth: 8, inputHeight: 8, fit: "stretch" } as const;
const bottles = readFileSync(join(import.meta.dirname, "../../docs/overlay.jpg"));
/** A few kilobytes, whatever its size. */
const plain = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "#000" } }).png({ palette: true, colours: 2 });

async function refusal(bytes: Uint8Array): Promise<string> {
  const error: unknown = await readRequested(bytes, view, new PictureMemory(1)).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).message;
}

test.each(["jpeg", "png", "webp", "gif", "tiff", "avif"] as const)("a %s is taken", async (kind) => {
  const bytes = await plain(16, 12).toFormat(kind).toBuffer();
  const { layout } = await readRequested(bytes, view, new PictureMemory(1));
  expect([layout.width, layout.height]).toEqual([16, 12]);
});

test("a request that is empty or no picture is told what to send", async () => {
  expect(await refusal(new Uint8Array())).toBe("the request is empty; send the bytes of a picture");
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/hosts"/></svg>';
  for (const text of ["some words", svg, `<?xml version="1.0"?>${svg}`]) {
    expect(await refusal(Buffer.from(text))).toBe(
      "the request is no picture of a kind that is taken; send one of JPEG, PNG, WebP, GIF, TIFF, AVIF",
    );
  }
});

test("more pixels than any camera has, and longer sides than a JPEG's, are refused with their numbers", async () => {
  expect(await refusal(await plain(9000, 9000).toBuffer())).toBe(
    "the request has 9000x9000 pixels, more than 50 million; give a smaller picture",
  );
  expect(await refusal(await plain(65_501, 2).toBuffer())).toBe(
    "the request has 65501x2 pixels, and no side may have more than 65500; give a part of it",
  );
});

test("of a damaged picture no library's words are told", async () => {
  const pictures = [
    bottles,
    ...(await Promise.all((["png", "webp", "gif", "tiff"] as const).map((k) => plain(99, 99).toFormat(k).toBuffer()))),
  ];
  for (const picture of pictures) {
    for (const length of [16, Math.floor(picture.length / 2), picture.length - 20]) {
      expect(await refusal(picture.subarray(0, length))).toMatch(
        /^the request cannot be read as a picture: it (?:is damaged or cut off|holds none of a known kind)$/,
      );
    }
  }
  expect(await refusal(Buffer.concat([Buffer.from("GIF89a"), Buffer.alloc(50, 7)]))).toMatch(
    /cannot be read as a picture: it/,
  );
});
