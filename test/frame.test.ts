import fc from "fast-check";
import { expect, test } from "vitest";
import { InputError } from "../src/errors.js";
import type { Fit, ModelView } from "../src/fit.js";
import { fitting, frameBytes, frameLayout, type Rect, watchedRegion } from "../src/frame.js";

const side = fc.integer({ min: 1, max: 4000 });
const inputSide = fc.integer({ min: 8, max: 512 });
const fit = fc.constantFrom<Fit>("stretch", "crop", "letterbox");
const frameAndRegion = fc.tuple(side, side).chain(([width, height]) =>
  fc.record({
    width: fc.constant(width),
    height: fc.constant(height),
    region: fc.option(
      fc
        .tuple(fc.integer({ min: 0, max: width - 1 }), fc.integer({ min: 0, max: height - 1 }))
        .chain(([x, y]) =>
          fc
            .tuple(fc.integer({ min: 1, max: width - x }), fc.integer({ min: 1, max: height - y }))
            .map(([w, h]): Rect => ({ x, y, width: w, height: h })),
        ),
      { nil: undefined },
    ),
  }),
);

const view = (fit: Fit, inputWidth: number, inputHeight: number): ModelView => ({ fit, inputWidth, inputHeight });

const contains = (outer: Rect, inner: Rect, slack = 1e-6): boolean =>
  inner.x >= outer.x - slack &&
  inner.y >= outer.y - slack &&
  inner.x + inner.width <= outer.x + outer.width + slack &&
  inner.y + inner.height <= outer.y + outer.height + slack;

test("what the model sees lies inside the region, and inside the whole model input", () => {
  fc.assert(
    fc.property(frameAndRegion, fit, inputSide, inputSide, ({ width, height, region }, how, w, h) => {
      const watched = watchedRegion(width, height, region);
      const { rect, clip } = frameLayout(width, height, region, view(how, w, h)).placement;
      expect(contains(watched, clip)).toBe(true);
      expect(contains(rect, clip)).toBe(true);
      expect(clip.width).toBeGreaterThan(0);
      expect(clip.height).toBeGreaterThan(0);
    }),
  );
});

test("stretch shows the region itself", () => {
  fc.assert(
    fc.property(frameAndRegion, inputSide, inputSide, ({ width, height, region }, w, h) => {
      const watched = watchedRegion(width, height, region);
      expect(frameLayout(width, height, region, view("stretch", w, h)).placement).toEqual({
        rect: watched,
        clip: watched,
      });
    }),
  );
});

test("crop shows a centred part of the region, as large as the input's proportions allow", () => {
  fc.assert(
    fc.property(frameAndRegion, inputSide, inputSide, ({ width, height, region }, w, h) => {
      const watched = watchedRegion(width, height, region);
      const { rect, clip } = frameLayout(width, height, region, view("crop", w, h)).placement;
      expect(rect).toEqual(clip);
      expect(clip.width === watched.width || clip.height === watched.height).toBe(true);
      // A pixel of the resized picture on the frame; its longer side is cut off to whole ones.
      const [across, down] = [clip.width / w, clip.height / h];
      const left = clip.x - watched.x;
      const right = watched.x + watched.width - clip.x - clip.width;
      expect(Math.abs(left - right)).toBeLessThanOrEqual(across + 1e-6);
      expect(Math.abs(clip.y - watched.y - (watched.y + watched.height - clip.y - clip.height))).toBeLessThanOrEqual(
        down + 1e-6,
      );
      const [longer, shorter] = [Math.max(across, down), Math.min(across, down)];
      expect(longer / shorter).toBeLessThanOrEqual(1 + 1 / Math.min(w, h));
    }),
  );
});

test("a picture that is resized to 256 and cropped to 224 is seen as torchvision and transformers see it", () => {
  const seen = (width: number, height: number, more: Partial<ModelView> = {}) =>
    fitting(watchedRegion(width, height), { ...view("crop", 224, 224), resize: { width: 256, height: 256 }, ...more });
  // 256 * 1920 / 1080 = 455.1; (455 - 224) / 2 = 115.5, whose even neighbour is 116; (256 - 224) / 2 = 16.
  expect(seen(1920, 1080)).toMatchObject({
    resized: { width: 455, height: 256 },
    cut: { x: 116, y: 16, width: 224, height: 224 },
  });
  expect(seen(1920, 1080, { cropRounding: "down" }).cut).toMatchObject({ x: 115, y: 16 });
  // 256 * 481 / 640 is not computed: the longer side is 256 * 640 / 481 = 340.6; (340 - 224) / 2 = 58.
  expect(seen(481, 640)).toMatchObject({ resized: { width: 256, height: 340 }, cut: { x: 16, y: 58 } });
  const { clip, rect } = frameLayout(1920, 1080, undefined, {
    ...view("crop", 224, 224),
    resize: { width: 256, height: 256 },
  }).placement;
  expect(clip).toEqual(rect);
  expect(clip.y).toBeCloseTo((16 * 1080) / 256, 9);
  expect(clip.width).toBeCloseTo((224 * 1920) / 455, 9);
});

test("a picture that is resized to less than the input lies in the middle of it", () => {
  const fitted = fitting(watchedRegion(100, 50), {
    ...view("letterbox", 225, 225),
    resize: { width: 200, height: 200 },
  });
  expect(fitted).toMatchObject({
    resized: { width: 200, height: 100 },
    cut: { x: 0, y: 0, width: 200, height: 100 },
    target: { x: 12, y: 62, width: 200, height: 100 },
  });
});

test("letterbox shows the whole region, and its input reaches beyond it in one direction", () => {
  fc.assert(
    fc.property(frameAndRegion, inputSide, inputSide, ({ width, height, region }, w, h) => {
      const watched = watchedRegion(width, height, region);
      const { rect, clip } = frameLayout(width, height, region, view("letterbox", w, h)).placement;
      expect(clip).toEqual(watched);
      const touchesX = Math.abs(rect.width - watched.width) < 1e-6;
      const touchesY = Math.abs(rect.height - watched.height) < 1e-6;
      expect(touchesX || touchesY).toBe(true);
      if (watched.width * h !== watched.height * w && Math.min(watched.width, watched.height) > 100) {
        expect(rect.width).toBeGreaterThanOrEqual(watched.width - 1e-6);
        expect(rect.height).toBeGreaterThanOrEqual(watched.height - 1e-6);
      }
    }),
  );
});

test("a letterboxed 270x135 region fills the middle rows of a 224x224 input", () => {
  const { rect, clip } = frameLayout(
    640,
    360,
    { x: 100, y: 50, width: 270, height: 135 },
    view("letterbox", 224, 224),
  ).placement;
  // 135 rows become 112, with 56 grey rows above and below: 56 * 135 / 112 = 67.5 frame pixels each.
  expect(rect).toEqual({ x: 100, y: 50 - 67.5, width: 270, height: 270 });
  expect(clip).toEqual({ x: 100, y: 50, width: 270, height: 135 });
});

test("a slab holds the picture and the model's input below it", () => {
  const layout = frameLayout(640, 360, undefined, view("stretch", 224, 224));
  expect(layout.stride).toBe(1920);
  expect(frameBytes(layout)).toBe(1920 * 584);
  expect(frameLayout(100, 50, undefined, view("stretch", 224, 224)).stride).toBe(672);
});

test("a region outside the frame is refused in one sentence with the numbers", () => {
  const attempt = () => frameLayout(640, 360, { x: 500, y: 200, width: 270, height: 270 }, view("stretch", 224, 224));
  expect(attempt).toThrow(InputError);
  expect(attempt).toThrow(
    "the region x 500, y 200, 270x270 reaches outside the 640x360 frame (it ends at x 770, y 470); choose one inside",
  );
});
