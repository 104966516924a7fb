import { describe, expect, it } from "vitest";
import { markdown } from "../../bench/gpu/table.mjs";

const time = (what: string, precision: string, batch: number, ms: number, tf32 = false) => ({
  network: "resnet50",
  what,
  precision,
  batch,
  ms,
  tf32,
});
const results = {
  card: "A card",
  rehearsed: false,
  golden: [
    { precision: "float32", name: "conv", apart: 1e-6, same: true },
    { precision: "float32", name: "pool", apart: 0.25, same: false },
    { precision: "float16", name: "conv", apart: 0.001, same: true },
  ],
  times: [
    time("forward", "float32", 8, 4, true),
    time("r-lrp", "float32", 8, 10, true),
    time("forward", "float32", 8, 8),
    time("r-lrp", "float32", 8, 16),
    time("r-lrp", "float16", 8, 5),
  ],
  peers: [
    { network: "resnet50", batch: 8, name: "forward", ms: 6 },
    { network: "resnet50", batch: 8, name: "zennit", ms: 90 },
    { network: "resnet50", batch: 1, name: "gradient-x-input", ms: 7 },
  ],
  worker: [{ precision: "float16", sources: 64, fps: 30, framesPerSecond: { captured: 1920, explained: 1500.4 } }],
  skipped: ["captum (no time was left)"],
};

describe("the report of bench/gpu.mjs", () => {
  const text = markdown(results);

  it("names the card, how many golden cases have the right class, and the map that is furthest", () => {
    expect(text).toContain("On A card.");
    expect(text).toContain("| float32 | 2 | 1 | 0.2500 (pool) |");
    expect(text).toContain("| float16 | 1 | 1 | 0.0010 (conv) |");
  });

  it("holds each map's time against the forward pass of the same batch and precision, beside the peers", () => {
    expect(text).toContain("| resnet50 | float32 (TF32) | 8 | 4.00 | 10.00 | 2.50 | 800 | 6.00 |  | 90.00 |");
    expect(text).toContain("| resnet50 | float32 | 8 | 8.00 | 16.00 | 2.00 | 500 | 6.00 |  | 90.00 |");
    expect(text, "its forward pass was not timed").not.toContain("| resnet50 | float16 |");
  });

  it("says what the worker did, and what was not run", () => {
    expect(text).toContain("64 generated sources of 30 frames/s (float16): 1920 captured, 1500 explained a second.");
    expect(text).toContain("Not run: captum (no time was left).");
  });

  it("takes a rehearsal for none of it", () => {
    expect(markdown({ ...results, rehearsed: true })).toContain("its figures say nothing about a card");
    expect(markdown({ ...results, golden: [], times: [], peers: [], worker: [], skipped: [] })).not.toContain(
      "Not run",
    );
  });
});
