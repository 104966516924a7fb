import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodePicture, encodePicture } from "../../src/fleet/picture.js";
import { seeded } from "../support/random.js";

const SIZE = { inputWidth: 40, inputHeight: 24 };
const BYTES = 3 * 40 * 24;

/** Colours that change from pixel to pixel, in rows with a gap between and something before. */
function frame() {
  const [offset, stride] = [17, 140];
  const memory = new SharedArrayBuffer(offset + stride * 24);
  const random = seeded(3);
  const pixels = Uint8Array.from({ length: BYTES }, (_, i) => 60 + ((i % 3) * 60 + Math.floor(i / 120)) + 8 * random());
  for (let y = 0; y < 24; y++) new Uint8Array(memory).set(pixels.subarray(y * 120, (y + 1) * 120), offset + y * stride);
  return { rows: { memory, offset, stride }, pixels };
}

async function decoded(body: Uint8Array, type: "png" | "jpeg" | "raw"): Promise<Uint8Array> {
  const memory = new SharedArrayBuffer(BYTES);
  await decodePicture(body, type, SIZE, memory);
  return new Uint8Array(memory);
}

describe("the model's input on its way", () => {
  it.each(["png", "raw"] as const)("comes to the last bit as %s", async (picture) => {
    const { rows, pixels } = frame();
    const body = await encodePicture(rows, SIZE, { picture, quality: 97 });
    expect(await decoded(body, picture)).toEqual(pixels);
  });

  it("comes nearly so as a JPEG, and its colours in full resolution", async () => {
    const { rows, pixels } = frame();
    const body = await encodePicture(rows, SIZE, { picture: "jpeg", quality: 97 });
    expect((await sharp(body).metadata()).chromaSubsampling).toBe("4:4:4");
    const found = await decoded(body, "jpeg");
    const differences = found.map((value, i) => Math.abs(value - pixels[i]!));
    expect(differences.reduce((sum, d) => sum + d, 0) / BYTES).toBeLessThan(2);
  });

  const half = async (picture: "png" | "jpeg"): Promise<Uint8Array> => {
    const body = await encodePicture(frame().rows, SIZE, { picture, quality: 97 });
    return body.subarray(0, body.length / 2);
  };
  const png = () =>
    sharp({ create: { width: 40, height: 24, channels: 3, background: "red" } })
      .png()
      .toBuffer();
  const jpeg = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: "red" } })
      .jpeg()
      .toBuffer();
  it.each<[string, () => Promise<Uint8Array>, "png" | "jpeg" | "raw", RegExp]>([
    ["a PNG", png, "jpeg", /is no JPEG;/],
    ["nothing", async () => new Uint8Array(0), "jpeg", /is no JPEG;/],
    ["a JPEG of another size", () => jpeg(24, 40), "jpeg", /is no JPEG of 40x24 pixels/],
    ["a JPEG of many pixels", () => jpeg(400, 400), "jpeg", /is no JPEG of 40x24 pixels/],
    [
      "a PNG of another size",
      async () =>
        sharp(await jpeg(24, 40))
          .png()
          .toBuffer(),
      "png",
      /is no PNG of 40x24 pixels/,
    ],
    ["the first half of a JPEG", () => half("jpeg"), "jpeg", /is a damaged JPEG/],
    ["the first half of a PNG", () => half("png"), "png", /is a damaged PNG/],
    ["too few bytes", async () => new Uint8Array(BYTES - 1), "raw", /has 2879 bytes, not the 2880/],
  ])("is refused where it is %s", async (_, body, type, sentence) => {
    await expect(decoded(await body(), type)).rejects.toThrow(sentence);
  });
});
