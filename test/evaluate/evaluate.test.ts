import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EvaluationReport } from "../../src/evaluate/report.js";
import { runCli } from "../cli/run-cli.js";
import { INSPECTION } from "../explain/twin/golden.js";
import { python } from "../support/python.js";

const CNN = fileURLToPath(new URL("../../models/inspection-cnn", import.meta.url));
const IMAGES = ["--images", join(INSPECTION, "images"), "--masks", join(INSPECTION, "masks")];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "evaluate-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (...names: string[]): string => join(folder, ...names);
const reportOf = (name: string): EvaluationReport => JSON.parse(readFileSync(at(name), "utf8"));

describe("evaluate", () => {
  it("measures every metric, as a second implementation in Python does from the papers' definitions", async () => {
    const methods = "r-lrp-graded,grad-cam,random";
    const args = ["--limit", "5", "--steps", "6", "--methods", methods, "--seed", "3"];
    const output = ["--json", at("a.json"), "--html", at("a.html"), "--maps", at("maps")];
    const two = ["--images", join(INSPECTION, "two")];
    const ended = await runCli(["evaluate", CNN, ...IMAGES, ...two, ...args, ...output]);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stdout).toContain("inspection-cnn (96x96), 8 images, 3 of them of several classes");
    expect(ended.stdout).toMatch(/r-lrp-graded +\d\.\d{3} ± \d\.\d{3}/);

    const report = reportOf("a.json");
    expect(report.metrics).toHaveLength(14);
    const [graded, , random] = report.methods;
    for (const method of report.methods)
      for (const { name } of report.metrics)
        expect(method.metrics[name]!.mean, `${method.name} ${name}`).not.toBeNull();
    expect(graded!.metrics.own!.count).toBe(6);
    expect(graded!.metrics.mass!.mean!).toBeGreaterThan(random!.metrics.mass!.mean! + 0.2);
    expect(graded!.randomByStage).toHaveLength(5);

    const labels = "[l.strip() for l in open(sys.argv[5])]";
    const script = readFileSync(new URL("independent.py", import.meta.url), "utf8").replace(
      /main\(\*sys\.argv.+/,
      `main(*sys.argv[1:5], ${labels})`,
    );
    const words = [
      at("a.json"),
      at("maps"),
      join(CNN, "model.onnx"),
      join(INSPECTION, "masks"),
      join(CNN, "labels.txt"),
    ];
    const compared: Record<string, { count: number; most: number }> = JSON.parse(python(script, words));
    const curves = ["insertion-blur", "insertion-mean", "deletion-blur", "deletion-mean"];
    expect(Object.keys(compared).sort()).toEqual(["mass", "rank", "pointing", ...curves].sort());
    for (const [metric, { count, most }] of Object.entries(compared)) {
      expect(count, metric).toBeGreaterThanOrEqual(12);
      expect(most, metric).toBeLessThan(1e-3);
    }

    const page = readFileSync(at("a.html"), "utf8");
    expect(page).toContain("data:image/jpeg;base64,");
    // Nothing is fetched from elsewhere, and nothing runs.
    expect(page).not.toMatch(/(?:src|href)="(?!data:)|url\(|<script|@import/);
  });

  it("gives the same values for a seed, on one thread and on two", async () => {
    const args = [
      "--limit",
      "9",
      "--methods",
      "grad-cam,random",
      "--metrics",
      "mass,noise",
      "--seed",
      "5",
      "--quiet",
      "--only-right",
    ];
    for (const threads of ["1", "2"]) {
      const output = ["--json", at(`${threads}.json`), "--threads", threads];
      expect((await runCli(["evaluate", CNN, ...IMAGES, ...args, ...output])).code).toBe(0);
    }
    const values = (name: string) => reportOf(name).methods.map((method) => method.values);
    expect(values("1.json")).toEqual(values("2.json"));
    const { cases, images } = reportOf("1.json");
    expect(cases.filter(({ label, decision }) => label !== decision)).toEqual([]);
    expect(images).toMatchObject({ count: cases.length, decidedRight: cases.length });
  });

  it("asks only of defects that are the network's two most probable classes, where it is told so", async () => {
    // The network takes the stain and the scratch of the first picture for a scratch and next for a dent.
    const two = ["--images", join(INSPECTION, "two"), "--methods", "random", "--metrics", "own", "--only-right"];
    const ended = await runCli(["evaluate", CNN, ...two, "--json", at("two.json")]);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stdout).toContain("left out as their classes are not the network's most probable ones: 1");
    const images = reportOf("two.json").cases.map(({ image }) => image.slice(-8));
    expect(images).toEqual(["0001.png", "0001.png", "0002.png", "0002.png"]);
  });

  it("explains the network's own decision where there are no labels, and leaves out what needs masks", async () => {
    mkdirSync(at("bare"));
    const names = readdirSync(join(INSPECTION, "images")).slice(0, 2);
    for (const name of names) copyFileSync(join(INSPECTION, "images", name), at("bare", name));
    const args = ["--methods", "r-lrp", "--metrics", "mass,own,sparseness", "--json", at("bare.json")];
    const ended = await runCli(["evaluate", CNN, "--images", at("bare"), ...args]);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stdout).toContain("have no labels: the network's own decision is explained");
    expect(ended.stdout).toContain("mass: left out, as no image of one class has a mask; give --masks");
    expect(ended.stdout).toContain("own: left out, as no image has several classes with a mask each");
    const report = reportOf("bare.json");
    expect(report.metrics.map(({ name }) => name)).toEqual(["sparseness"]);
    expect(report.cases.map(({ label, decision, isGiven }) => [label === decision, isGiven])).toEqual([
      [true, false],
      [true, false],
    ]);
  });
});

describe("evaluate of images of any name", () => {
  it("writes each map to a file of its own, lets no name steer the terminal, and reads masks with transparent parts", async () => {
    const names = ["\u65e5", "\u672c", "a\u001b[31m<b>"];
    for (const inner of ["images", "masks"]) mkdirSync(at("named", inner), { recursive: true });
    const white = await sharp({ create: { width: 24, height: 24, channels: 4, background: "white" } })
      .png()
      .toBuffer();
    for (const name of names) {
      copyFileSync(join(INSPECTION, "images/0000.png"), at("named/images", `${name}.png`));
      await sharp({ create: { width: 96, height: 96, channels: 4, background: "transparent" } })
        .composite([{ input: white, left: 30, top: 30 }])
        .png()
        .toFile(at("named/masks", `${name}.png`));
    }
    const output = ["--json", at("named.json"), "--html", at("named.html"), "--maps", at("named/maps")];
    const args = ["--methods", "random", "--metrics", "mass", "--threads", "1"];
    const ended = await runCli(["evaluate", CNN, "--images", at("named"), ...args, ...output]);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stdout).not.toContain("\u001b");
    expect(readdirSync(at("named/maps/random")).sort()).toEqual(["a_31m_b_.npy", "\u65e5.npy", "\u672c.npy"]);
    // A sixteenth of the picture is white; a random map has as much of itself in it.
    expect(Math.abs(reportOf("named.json").methods[0]!.metrics.mass!.mean! - 1 / 16)).toBeLessThan(0.01);
    expect(readFileSync(at("named.html"), "utf8")).not.toContain("<b>");
  });
});

describe("evaluate refuses in one sentence", () => {
  const picture = (width: number) => sharp({ create: { width, height: 96, channels: 3, background: "white" } }).png();

  it.each<[string, () => Promise<string[]>, RegExp]>([
    [
      "a mask of another size than its image",
      async () => {
        mkdirSync(at("sizes/masks"), { recursive: true });
        await picture(96).toFile(at("sizes/a.png"));
        await picture(95).toFile(at("sizes/masks/a.png"));
        writeFileSync(at("sizes/labels.csv"), "a.png,dent\n");
        return ["--images", at("sizes"), "--masks", at("sizes/masks")];
      },
      /the mask \S+a\.png has 95x96 pixels and its image \S+a\.png 96x96; give a mask of the image's size/,
    ],
    [
      "an image that is none",
      async () => {
        mkdirSync(at("broken"));
        writeFileSync(at("broken/a.png"), "no picture");
        return ["--images", at("broken")];
      },
      /a\.png cannot be read as a picture/,
    ],
    [
      "a class that the model does not have",
      async () => [...IMAGES, "--classes", "rust"],
      /--classes names the class "rust", which the model does not have/,
    ],
    [
      "a report that cannot be written, before anything is measured",
      async () => [...IMAGES, "--methods", "all", "--json", join(CNN, "model.onnx", "a.json")],
      /a\.json cannot be written \(.+\); give another path/,
    ],
    [
      "one file for two reports",
      async () => [...IMAGES, "--json", at("one"), "--html", at("one")],
      /--json and --html both name \S+one; give each a file of its own/,
    ],
    ["masks without images", async () => [...IMAGES, "--masks", at("x")], /--masks is given 2 times and --images 1/],
    [
      "a metric that is not known",
      async () => [...IMAGES, "--metrics", "beauty"],
      /metric "beauty" is not known; known are mass, /,
    ],
  ])("%s", async (_, prepare, sentence) => {
    const ended = await runCli(["evaluate", CNN, ...(await prepare()), "--threads", "1"]);
    expect(ended.code, ended.stderr).toBe(2);
    const lines = ended.stderr.trim().split("\n");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(sentence);
  });

  it("a model that is not there", async () => {
    const ended = await runCli(["evaluate", at("none.onnx"), ...IMAGES, "--threads", "1"]);
    expect(ended).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^video-explainer: model "\S+" does not exist.*\n$/),
    });
  });
});
