import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { classifier, node } from "../explain/onnx/messages.js";
import { GOLDEN } from "../explain/twin/golden.js";
import { runCli } from "./run-cli.js";

const CNN = fileURLToPath(new URL("../../models/inspection-cnn", import.meta.url));
const EFFNET = fileURLToPath(new URL("../../models/efficientnet-lite0", import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inspect-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("inspect", () => {
  it("prints a line a layer with the rule of each, and totals", async () => {
    const ended = await runCli(["inspect", CNN]);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    const lines = ended.stdout.trimEnd().split("\n");
    expect(lines[1]).toMatch(
      /^pictures: stretched to 96x96, bicubic, RGB, \(v - 127\.5\) \/ 63\.75 \(.*model\.yaml\)$/,
    );
    expect(lines[2]).toMatch(/^labels: .*labels\.txt$/);
    expect(lines[3]).toMatch(/^layer +kind +input +output +parameters +multiply-adds +rule$/);
    expect(lines[4]).toMatch(/ conv .* box$/);
    expect(lines.at(-1)).toMatch(/^total +\d+ layers/);
    expect(lines.filter((line) => / conv .* r-lrp-graded$/.test(line)).length).toBeGreaterThan(1);
  });

  it("counts the published multiply-adds of EfficientNet-Lite0", async () => {
    const report = JSON.parse((await runCli(["inspect", EFFNET, "--json"])).stdout);
    // 407 million by its authors' count, which leaves the means out.
    expect(report.total.multiplyAdds / 1e6).toBeGreaterThan(380);
    expect(report.total.multiplyAdds / 1e6).toBeLessThan(420);
    expect(report.total.parameters / 1e6).toBeCloseTo(4.6, 0);
    expect(report.total.layers).toBe(report.layers.length);
    expect(report).toMatchObject({ method: "r-lrp-graded", inputRule: "box" });
  });

  it("shows the rules of the chosen method", async () => {
    const model = join(GOLDEN, "residual", "model.onnx");
    const words = ["inspect", model, "--json", "--method", "r-lrp-absolute", "--input-rule", "flat"];
    const { layers } = JSON.parse((await runCli(words)).stdout);
    const rules = new Set(layers.map((l: { rule: string }) => l.rule));
    expect(rules).toContain("r-lrp-absolute");
    expect(rules).toContain("flat");
    expect(rules).toContain("by |share|");
    expect(rules).not.toContain("r-lrp-graded");
  });

  it("shows what shares at skip connections and in max pools by default", async () => {
    const inspected = async (name: string): Promise<string[]> => {
      const { layers } = JSON.parse((await runCli(["inspect", join(GOLDEN, name, "model.onnx"), "--json"])).stdout);
      return layers.map((l: { rule: string }) => l.rule);
    };
    expect(await inspected("residual")).toContain("by agreeing share");
    expect(await inspected("max-pool")).toContain("by squares");
    expect(await inspected("star-product")).toContain("half to each factor");
    expect(await inspected("linear-attention")).toContain("half to each factor");
  });

  it("shows the rules that a composite puts together", async () => {
    const { layers } = JSON.parse((await runCli(["inspect", CNN, "--json", "--method", "epsilon-gamma-box"])).stdout);
    const rules = layers.filter((l: { parameters: number }) => l.parameters > 0).map((l: { rule: string }) => l.rule);
    expect(rules[0]).toBe("box");
    expect(rules.at(-1)).toBe("epsilon");
    expect(rules.slice(1, -1).every((rule: string) => rule === "gamma" || rule === "epsilon")).toBe(true);
  });

  it("names every node that stands in the way of an explanation", async () => {
    const file = join(folder, "odd.onnx");
    const nodes = [node("Det", ["image"], ["a"]), node("NonZero", ["a"], ["y"])];
    writeFileSync(file, classifier(nodes));
    const ended = await runCli(["inspect", file]);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toMatch(/"the Det" \(operator Det\).*"the NonZero" \(NonZero\)/);
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
  });
});
