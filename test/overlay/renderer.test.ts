import { execFile } from "node:child_process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { promisify } from "node:util";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import type { FrameLayout, Placement, Rect } from "../../src/frame.js";
import type { OverlayRequest } from "../../src/overlay/overlay.js";
import { createOverlayRenderer } from "../../src/overlay/renderer.js";

const renderer = createOverlayRenderer();
afterAll(() => renderer.close());

const whole = (width: number, height: number): Placement => {
  const rect = { x: 0, y: 0, width, height };
  return { rect, clip: rect };
};

interface Shape {
  width: number;
  height: number;
  inputWidth?: number;
  inputHeight?: number;
  placement?: Placement;
}

/** A request for a grey frame, the slab's other bytes filled with what must never be seen. */
function request(shape: Shape, more: Partial<OverlayRequest> = {}): OverlayRequest {
  const { width, height, inputWidth = 224, inputHeight = 224, placement = whole(width, height) } = shape;
  const stride = 3 * Math.max(width, inputWidth);
  const layout: FrameLayout = { width, height, inputWidth, inputHeight, stride, placement };
  const memory = new SharedArrayBuffer(stride * (height + inputHeight));
  const slab = new Uint8Array(memory).fill(255);
  for (let y = 0; y < height; y++) slab.fill(100, y * stride, y * stride + 3 * width);
  return {
    memory,
    layout,
    heatmap: null,
    style: { show: "signed", colormap: "inferno", opacity: 0.9, quality: 90 },
    caption: { label: "cat", probability: 0.5 },
    want: { overlay: true, original: false, heatmap: false },
    ...more,
  };
}

/** A heatmap of zeros but for a square at full positive relevance. */
function spot(side: number, { x, y, width, height }: Rect): Uint8Array {
  const heatmap = new Uint8Array(side * side).fill(128);
  for (let row = y; row < y + height; row++) heatmap.fill(255, row * side + x, row * side + x + width);
  return heatmap;
}

async function decode(jpeg: Uint8Array | undefined) {
  const { data, info } = await sharp(jpeg!).raw().toBuffer({ resolveWithObject: true });
  return { ...info, data };
}

/** The box around the reddish pixels. */
async function redBox(jpeg: Uint8Array | undefined) {
  const { data, width, height } = await decode(jpeg);
  const box = { left: width, top: height, right: 0, bottom: 0 };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      if (data[at]! < data[at + 2]! + 60) continue;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
    }
  }
  return box;
}

describe("the overlay renderer", () => {
  const square = { x: 120, y: 140, width: 40, height: 20 };
  it.each<[string, Shape, { left: number; top: number; right: number; bottom: number }]>([
    // 224 wide on 448 and 224 high on 336: x doubles, y grows by half.
    ["stretched", { width: 448, height: 336 }, { left: 240, top: 210, right: 320, bottom: 240 }],
    // The middle 336 x 336 of 500 x 336: 1.5 times, 82 to the right.
    [
      "cropped",
      {
        width: 500,
        height: 336,
        placement: { rect: { x: 82, y: 0, width: 336, height: 336 }, clip: { x: 82, y: 0, width: 336, height: 336 } },
      },
      { left: 262, top: 210, right: 322, bottom: 240 },
    ],
    // 448 x 336 in a square of 448 that begins 56 above the frame: twice, 56 up.
    [
      "letterboxed",
      {
        width: 448,
        height: 336,
        placement: { rect: { x: 0, y: -56, width: 448, height: 448 }, clip: { x: 0, y: 0, width: 448, height: 336 } },
      },
      { left: 240, top: 224, right: 320, bottom: 264 },
    ],
    // A region of 112 x 112 at 200, 150: half.
    [
      "on a region",
      {
        width: 448,
        height: 336,
        placement: {
          rect: { x: 200, y: 150, width: 112, height: 112 },
          clip: { x: 200, y: 150, width: 112, height: 112 },
        },
      },
      { left: 260, top: 220, right: 280, bottom: 230 },
    ],
  ])("draws heat where the model saw it: %s", async (_, shape, expected) => {
    const { overlay } = await renderer.render(request(shape, { heatmap: spot(224, square) }));
    const box = await redBox(overlay);
    for (const side of ["left", "top", "right", "bottom"] as const) {
      expect(Math.abs(box[side] - expected[side]), side).toBeLessThanOrEqual(3);
    }
  });

  it("draws the border of a watched region and nothing outside it but the caption", async () => {
    const clip = { x: 200, y: 150, width: 112, height: 112 };
    const { overlay } = await renderer.render(
      request({ width: 448, height: 336, placement: { rect: clip, clip } }, { heatmap: new Uint8Array(224 * 224) }),
    );
    const { data, width } = await decode(overlay);
    const at = (x: number, y: number): number => data[(y * width + x) * 3]!;
    expect(Math.abs(at(190, 200) - 100)).toBeLessThanOrEqual(4);
    expect(Math.abs(at(400, 300) - 100)).toBeLessThanOrEqual(4);
    expect(at(200, 170)).toBeGreaterThan(at(206, 170) + 40);
    expect(at(250, 150)).toBeGreaterThan(at(250, 156) + 40);
  });

  it("draws the caption alone without a heatmap, and the original without either", async () => {
    const { overlay, original, heatmap } = await renderer.render(
      request({ width: 320, height: 180 }, { want: { overlay: true, original: true, heatmap: true } }),
    );
    expect(heatmap).toBeUndefined();
    const plain = await decode(original);
    expect([plain.width, plain.height, plain.channels]).toEqual([320, 180, 3]);
    expect(plain.data.every((value) => Math.abs(value - 100) <= 2)).toBe(true);
    const { data } = await decode(overlay);
    expect(data.some((value) => value > 220)).toBe(true);
    expect(data.subarray(3 * 320 * 60).every((value) => Math.abs(value - 100) <= 2)).toBe(true);
  });

  it("encodes only what is wanted", async () => {
    const result = await renderer.render(
      request({ width: 64, height: 48 }, { want: { overlay: false, original: true, heatmap: false } }),
    );
    expect(Object.keys(result).sort()).toEqual(["milliseconds", "original"]);
    expect(result.milliseconds).toBeGreaterThan(0);
  });

  it("gives the heatmap as 8-bit grey PNG, bit for bit", async () => {
    const heatmap = Uint8Array.from({ length: 224 * 224 }, (_, index) => (index * 7 + (index >> 5)) & 255);
    const result = await renderer.render(
      request({ width: 64, height: 48 }, { heatmap, want: { overlay: false, original: false, heatmap: true } }),
    );
    const { width, height, channels, depth, format, space } = await sharp(result.heatmap).metadata();
    expect({ width, height, channels, depth, format, space }).toEqual({
      width: 224,
      height: 224,
      channels: 1,
      depth: "uchar",
      format: "png",
      space: "b-w",
    });
    const { data } = await sharp(result.heatmap).extractChannel(0).raw().toBuffer({ resolveWithObject: true });
    expect(new Uint8Array(data)).toEqual(heatmap);
  });

  it.each<Shape>([
    { width: 1, height: 1 },
    { width: 32, height: 32 },
    { width: 641, height: 359, inputWidth: 97, inputHeight: 31 },
    {
      width: 64,
      height: 64,
      placement: { rect: { x: 9, y: 9, width: 1, height: 1 }, clip: { x: 9, y: 9, width: 1, height: 1 } },
    },
    { width: 3840, height: 2160 },
  ])("draws $width x $height", async (shape) => {
    const heatmap = new Uint8Array((shape.inputWidth ?? 224) * (shape.inputHeight ?? 224)).fill(220);
    const wanted = { overlay: true, original: true, heatmap: true };
    const { overlay, original } = await renderer.render(request(shape, { heatmap, want: wanted }));
    for (const jpeg of [overlay, original]) {
      const { width, height } = await sharp(jpeg).metadata();
      expect([width, height]).toEqual([shape.width, shape.height]);
    }
  });

  it("changes neither the slab nor the heatmap, also where that is a part of a larger array", async () => {
    const batch = new Uint8Array(3 * 224 * 224).fill(30);
    const heatmap = batch.subarray(224 * 224, 2 * 224 * 224).fill(200);
    const asked = request({ width: 320, height: 180 }, { heatmap });
    const before = new Uint8Array(asked.memory).slice();
    await renderer.render(asked);
    expect(Buffer.compare(new Uint8Array(asked.memory), before)).toBe(0);
    expect(batch).toHaveLength(3 * 224 * 224);
    expect(heatmap.every((value) => value === 200)).toBe(true);
  });

  it("rejects a wrong request with a sentence, and that one alone", async () => {
    const good = request({ width: 64, height: 48 });
    const wrong: [Partial<OverlayRequest>, RegExp][] = [
      [{ heatmap: new Uint8Array(7) }, /heatmap has 7 values, 224 x 224 are needed/],
      [{ memory: new SharedArrayBuffer(10) }, /memory holds 10 bytes/],
      [{ layout: { ...good.layout, width: 0 } }, /width 0/],
      [{ layout: { ...good.layout, stride: 12 } }, /stride of 12 bytes/],
      [
        {
          heatmap: new Uint8Array(224 * 224),
          layout: {
            ...good.layout,
            placement: { rect: { x: 0, y: 0, width: 0, height: 5 }, clip: good.layout.placement.clip },
          },
        },
        /placement/,
      ],
      [{ style: { ...good.style, quality: 900 } }, /quality/],
    ];
    const results = await Promise.allSettled(
      wrong.flatMap(([part]) => [renderer.render({ ...good, ...part }), renderer.render(good)]),
    );
    for (const [index, result] of results.entries()) {
      if (index % 2) expect(result.status).toBe("fulfilled");
      else {
        expect(result.status).toBe("rejected");
        const { message, code } = (result as PromiseRejectedResult).reason;
        expect(code).toBe("overlay");
        expect(message).toMatch(wrong[index / 2]![1]);
        expect(message).toMatch(/^the overlay of a frame cannot be drawn: [^\n]*[^.]$/);
      }
    }
  });

  it.each(["die", "leave"])("replaces a thread that ends (%s) and rejects what it had under way", async (label) => {
    const mortal = createOverlayRenderer({ script: new URL("./dying.worker.mjs", import.meta.url) });
    const good = request({ width: 64, height: 48 });
    await mortal.render(good);
    const [first, second] = await Promise.allSettled([
      mortal.render({ ...good, caption: { label, probability: 1 } }),
      mortal.render(good),
    ]);
    for (const result of [first, second]) {
      expect(result.status).toBe("rejected");
      const { message } = (result as PromiseRejectedResult).reason;
      expect(message).toMatch(/^the overlay thread ended while drawing \((out of luck|exit code 7)\); [^\n]*[^.]$/);
    }
    expect((await mortal.render(good)).overlay).toBeDefined();
    await mortal.close();
  });

  it("rejects each frame with a sentence when its thread cannot start, and can still be closed", async () => {
    const broken = createOverlayRenderer({ script: new URL("./missing.worker.mjs", import.meta.url) });
    const good = request({ width: 64, height: 48 });
    await expect(broken.render(good)).rejects.toThrow(/^the overlay thread ended while drawing \(.*missing\.worker/);
    await expect(broken.render(good)).rejects.toThrow(/^the overlay thread ended while drawing/);
    await broken.close();
  });

  it("finishes what is in flight when it is closed, and refuses what comes later", async () => {
    const closing = createOverlayRenderer({ workers: 2 });
    const asked = Array.from({ length: 6 }, () => closing.render(request({ width: 320, height: 180 })));
    const closed = closing.close();
    await expect(closing.render(request({ width: 32, height: 32 }))).rejects.toThrow(/renderer is closed/);
    await closed;
    for (const { overlay } of await Promise.all(asked)) expect(overlay).toBeDefined();
    await closing.close();
  });

  it("can be closed at once", async () => {
    await createOverlayRenderer({ workers: 2 }).close();
  });

  it("does not hold up the event loop while it draws", async () => {
    const heatmap = new Uint8Array(224 * 224).fill(200);
    const asked = request({ width: 3840, height: 2160 }, { heatmap });
    await renderer.render(asked);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const { milliseconds } = await renderer.render(asked);
    delay.disable();
    // The loop turned many times meanwhile; a loop that draws turns once.
    expect(delay.count).toBeGreaterThan(Math.min(10, milliseconds / 20));
  });

  it("prints nothing on a machine without font configuration, leaves the environment alone and ends by itself", async () => {
    const script = `
      import { createOverlayRenderer } from ${JSON.stringify(new URL("../../dist/overlay/renderer.js", import.meta.url).href)};
      const rect = { x: 0, y: 0, width: 320, height: 180 };
      const layout = { width: 320, height: 180, inputWidth: 8, inputHeight: 8, stride: 960, placement: { rect, clip: rect } };
      const { overlay } = await createOverlayRenderer().render({
        memory: new SharedArrayBuffer(960 * 188), layout, heatmap: null, caption: { label: "water bottle", probability: 0.9 },
        style: { show: "signed", colormap: "inferno", opacity: 1, quality: 90 }, want: { overlay: true },
      });
      console.log(JSON.stringify({ bytes: Buffer.from(overlay).toString("base64"), file: process.env.FONTCONFIG_FILE }));`;
    const nowhere = "/nonexistent/fonts.conf";
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
      env: { PATH: process.env.PATH, FONTCONFIG_FILE: nowhere, FONTCONFIG_PATH: "/nonexistent", HOME: "/nonexistent" },
    });
    expect(stderr).toBe("");
    const { bytes, file } = JSON.parse(stdout);
    expect(file).toBe(nowhere);
    const { data } = await decode(Buffer.from(bytes, "base64"));
    expect(data.filter((value) => value > 200).length).toBeGreaterThan(200);
  });
});
