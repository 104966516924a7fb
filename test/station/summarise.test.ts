import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Explanation, ModelInfo, Relevance } from "../../src/explain/explanation.js";
import type { Fit } from "../../src/fit.js";
import { type Frame, frameBytes, frameLayout, type Rect } from "../../src/frame.js";
import { summarySchema } from "../../src/messages/summary.js";
import { summarise } from "../../src/station/summarise.js";

const INPUT = { width: 224, height: 160 };
const MODEL: ModelInfo = {
  name: "tiny",
  sha256: "ab".repeat(32),
  labels: ["good", "bad"],
  inputWidth: INPUT.width,
  inputHeight: INPUT.height,
  channels: 3,
  fit: "stretch",
};

interface View {
  width: number;
  height: number;
  region?: Rect;
  fit: Fit;
}

function frameOf({ width, height, region, fit }: View): Frame {
  const layout = frameLayout(width, height, region, { fit, inputWidth: INPUT.width, inputHeight: INPUT.height });
  return {
    source: "belt",
    epoch: 0,
    sequence: 7,
    pts: 0.28,
    capturedAt: Date.UTC(2024, 1, 29, 12, 0, 0, 125),
    receivedAt: 1000,
    policy: "latest",
    layout,
    memory: new SharedArrayBuffer(frameBytes(layout)),
    release: () => undefined,
  };
}

const explanationOf = (relevance: Partial<Relevance> | null): Explanation => ({
  top: [
    { index: 1, label: "bad", probability: 0.75 },
    { index: 0, label: "good", probability: 0.25 },
  ],
  target: { index: 1, label: "bad", probability: 0.75, logit: 1.5 },
  relevance: relevance && {
    method: "r-lrp",
    positive: 0.75,
    negative: -0.25,
    concentration: 0.5,
    peakShare: 0.2,
    border: 0.1,
    inside: undefined,
    insideMask: undefined,
    density: [0.75, 0.25],
    centroid: [112, 80],
    grid: { rows: 1, columns: 2, values: [0.75, -0.25] },
    regions: [],
    scale: 0.001,
    peak: 0.002,
    heatmap: new Uint8Array(INPUT.width * INPUT.height),
    ...relevance,
  },
});

const STYLE = { show: "magnitude", colormap: "inferno", opacity: 0.6, quality: 80 } as const;
const summaryOf = (view: View, relevance: Partial<Relevance> | null, truth?: Frame["truth"]) =>
  summarise(
    {
      frame: { ...frameOf(view), truth },
      explainer: { model: MODEL, engine: "onnxruntime-cpu" },
      explanation: explanationOf(relevance),
      style: STYLE,
      warnings: ["border"],
      why: [],
      batch: { startedAt: 1001, explainMs: 2, size: 4 },
    },
    { station: "line-1", epoch: 0 },
    3,
  );

const view: fc.Arbitrary<View> = fc
  .record({
    width: fc.integer({ min: 16, max: 3840 }),
    height: fc.integer({ min: 16, max: 2160 }),
    fit: fc.constantFrom<Fit>("stretch", "crop", "letterbox"),
    part: fc.option(fc.tuple(...Array.from({ length: 4 }, () => fc.double({ min: 0, max: 1, noNaN: true })))),
  })
  .map(({ width, height, fit, part }) => {
    if (!part) return { width, height, fit };
    const [a, b, c, d] = part as [number, number, number, number];
    const x = Math.floor(a * (width - 8));
    const y = Math.floor(b * (height - 8));
    const region = { x, y, width: 8 + Math.floor(c * (width - 8 - x)), height: 8 + Math.floor(d * (height - 8 - y)) };
    return { width, height, fit, region };
  });
const inputPoint = fc.tuple(
  fc.double({ min: 0, max: INPUT.width, noNaN: true }),
  fc.double({ min: 0, max: INPUT.height, noNaN: true }),
);
const inputBox = fc.tuple(inputPoint, inputPoint).map(([[x, y], [u, v]]) => ({
  x: Math.min(x, u),
  y: Math.min(y, v),
  width: Math.max(1, Math.abs(u - x)),
  height: Math.max(1, Math.abs(v - y)),
  share: 0.5,
}));

describe("the summary of a frame", () => {
  it("agrees with the published schema, explained or only classified", () => {
    fc.assert(
      fc.property(
        view,
        fc.option(fc.record({ centroid: inputPoint, regions: fc.array(inputBox, { maxLength: 5 }) })),
        (of, relevance) => {
          const summary = summaryOf(of, relevance);
          expect(summarySchema.parse(JSON.parse(JSON.stringify(summary)))).toEqual(summary);
          expect(summary.relevance === null).toBe(relevance === null);
        },
      ),
    );
  });

  it("says whether the decision is right, and of an explained frame with a mask how much of its relevance lies there", () => {
    const truthOf = (truth: Frame["truth"], relevance: Partial<Relevance> | null) =>
      summaryOf({ width: 640, height: 360, fit: "stretch" }, relevance, truth).truth;
    const mask = { inside: new Uint8Array(1), area: 0.125 };
    expect(truthOf(undefined, {})).toBeUndefined();
    expect(truthOf({ label: "good" }, {})).toEqual({ label: "good", right: false });
    const found = truthOf({ label: "bad", mask }, { insideMask: 0.75 });
    expect(found).toEqual({ label: "bad", right: true, insideMask: 0.75, maskArea: 0.125 });
    expect(summarySchema.shape.truth.parse(found)).toEqual(found);
    expect(truthOf({ label: "bad", mask }, null)).toEqual({ label: "bad", right: true });
  });

  it("tells frame, time and decision as they are", () => {
    const summary = summaryOf({ width: 640, height: 360, fit: "stretch" }, null);
    expect(summary).toMatchObject({
      station: "line-1",
      source: "belt",
      sequence: 7,
      pts: 0.28,
      capturedAt: "2024-02-29T12:00:00.125Z",
      frame: { width: 640, height: 360 },
      model: { name: "tiny", sha256: "ab".repeat(32), engine: "onnxruntime-cpu" },
      relevance: null,
    });
    expect(summary.classification.target).toEqual({ index: 1, label: "bad", probability: 0.75, logit: 1.5 });
  });

  it("keeps centroid and regions inside what the model saw of the frame", () => {
    fc.assert(
      fc.property(view, inputPoint, fc.array(inputBox, { maxLength: 5 }), (of, centroid, regions) => {
        const { clip } = frameOf(of).layout.placement;
        const { relevance } = summaryOf(of, { centroid, regions });
        const [x, y] = relevance!.centroid;
        for (const box of [{ x, y, width: 0, height: 0 }, ...relevance!.regions]) {
          expect(box.x).toBeGreaterThanOrEqual(clip.x - 1e-6);
          expect(box.y).toBeGreaterThanOrEqual(clip.y - 1e-6);
          expect(box.x + box.width).toBeLessThanOrEqual(clip.x + clip.width + 1e-6);
          expect(box.y + box.height).toBeLessThanOrEqual(clip.y + clip.height + 1e-6);
        }
        for (const box of relevance!.regions) expect(Math.min(box.width, box.height)).toBeGreaterThan(0);
      }),
    );
  });

  it("maps the whole input onto the whole region when the model stretches it", () => {
    const region = { x: 370, y: 80, width: 270, height: 270 };
    const { relevance } = summaryOf(
      { width: 640, height: 360, region, fit: "stretch" },
      {
        centroid: [56, 120],
        regions: [
          { x: 0, y: 0, ...INPUT, share: 0.7 },
          { x: 112, y: 40, width: 56, height: 80, share: 0.3 },
        ],
      },
    );
    expect(relevance!.centroid).toEqual([370 + 270 / 4, 80 + (270 * 3) / 4]);
    expect(relevance!.regions).toEqual([
      { ...region, share: 0.7 },
      { x: 505, y: 147.5, width: 67.5, height: 135, share: 0.3 },
    ]);
  });

  it("leaves out a region that lies on the padding of a letterbox, and cuts one that reaches into it", () => {
    // 224 wide of 1120: a fifth; 63 rows of picture in the middle of 160.
    const { relevance } = summaryOf(
      { width: 1120, height: 315, fit: "letterbox" },
      {
        centroid: [112, 2],
        regions: [
          { x: 10, y: 0, width: 40, height: 40, share: 0.6 },
          { x: 100, y: 0, width: 20, height: 160, share: 0.4 },
        ],
      },
    );
    expect(relevance!.regions).toEqual([{ x: 500, y: 0, width: 100, height: 315, share: 0.4 }]);
    expect(relevance!.centroid).toEqual([560, 0]);
  });
});
