import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { classifier, node } from "../explain/onnx/messages.js";
import { temporaryFolder } from "../support/folders.js";
import { runCli } from "./run-cli.js";

const network = classifier([node("Relu", ["image"], ["y"])]);

const folderOf = (files: Record<string, string | Uint8Array>): string => {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
};

it("models lists what a folder holds, what is known of each and from where, and why others are refused", async () => {
  const folder = folderOf({
    "a/model.onnx": network,
    "a/config.json": JSON.stringify({ model_type: "vit", id2label: { 0: "a", 1: "b", 2: "c", 3: "d" } }),
    "a/preprocessor_config.json": JSON.stringify({ image_processor_type: "ViTImageProcessor", size: 6 }),
    "b/net.pth": "no model",
    "b/deep/bare.onnx": network,
  });
  const { code, stdout } = await runCli(["models", folder]);
  expect(code).toBe(0);
  const lines = stdout.replaceAll(`${folder}/`, "").trimEnd().split("\n");
  expect(lines).toEqual([
    "a/model.onnx",
    "  a: 6x6, 4 classes",
    "  labels: a/config.json",
    "  pictures: stretched to 6x6, bilinear, RGB, (v - 127.5) / 127.5",
    "  known from: a/preprocessor_config.json",
    "b/net.pth",
    expect.stringMatching(/^ {2}refused: b\/net\.pth is /),
    "b/deep/bare.onnx",
    "  bare: 6x6, 4 classes",
    "  labels: none; classes bear their numbers",
    expect.stringMatching(/^ {2}pictures: how pictures become the model's input is not known/),
    "  known from: nothing beside the model",
  ]);
  const [first, second] = JSON.parse((await runCli(["models", folder, "--json"])).stdout);
  expect(first).toMatchObject({ name: "a", labels: ["a", "b", "c", "d"], input: { fit: "stretch" } });
  expect(second).toMatchObject({ file: join(folder, "b/net.pth"), refused: expect.stringContaining("net.pth") });
});

it("models --write writes cards, and never over one that is there", async () => {
  const folder = folderOf({ "one/net.onnx": network, "two/x.onnx": network, "two/y.onnx": network });
  const written = await runCli(["models", folder, "--write"]);
  expect(written.code).toBe(0);
  expect(existsSync(join(folder, "one/model.yaml"))).toBe(true);
  expect(existsSync(join(folder, "two/x.yaml"))).toBe(true);
  const card = join(folder, "two/y.yaml");
  writeFileSync(card, "name: mine\n");
  expect((await runCli(["models", folder, "--write"])).stdout).toContain(`${card} exists already; give --force`);
  expect(readFileSync(card, "utf8")).toBe("name: mine\n");
  await runCli(["models", folder, "--write", "--force"]);
  expect(readFileSync(card, "utf8")).toContain("name: mine\nmodel: y.onnx\n");
});

it("models --write writes the card of one model so that it is not taken for that of the next, and keeps what one said", async () => {
  const folder = folderOf({
    "model.onnx": network,
    "net.onnx": network,
    "model.yaml": "model: model.onnx\nactivation: sigmoid\nlicence: MIT\n",
  });
  const card = join(folder, "model.yaml");
  await runCli(["models", folder, "--write", "--force"]);
  expect(readFileSync(card, "utf8")).toContain("licence: MIT\n");
  expect(readFileSync(card, "utf8")).toContain("activation: sigmoid\n");
  const bare = folderOf({ "model.onnx": network, "net.onnx": network });
  await runCli(["models", bare, "--write"]);
  expect(readFileSync(join(bare, "net.yaml"), "utf8")).toContain("name: net\nmodel: net.onnx\n");
});

it("models of a folder without any, and of one whose every model is refused, end with 2", async () => {
  expect(await runCli(["models", folderOf({ "readme.md": "x" })])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("holds no model"),
  });
  expect((await runCli(["models", folderOf({ "net.onnx": "x" })])).code).toBe(2);
});

it("a first try needs no card: what is said on the command line is taken before all else", async () => {
  const folder = folderOf({ "net.onnx": network, "names.txt": "p\nq\nr\ns\n" });
  const words = ["--mean", "0.5", "--std", "0.25", "--units", "0..1", "--fit", "crop", "--resize", "8"];
  const labels = ["--labels", join(folder, "names.txt")];
  const { stdout, code } = await runCli(["inspect", folder, ...words, ...labels, "--interpolation", "bilinear"]);
  expect(code).toBe(0);
  const [, pictures, from] = stdout.split("\n");
  expect(pictures).toBe(
    "pictures: resized to cover 8x8, the middle 6x6 of it, bilinear, RGB, (v - 127.5) / 63.75 (the command line)",
  );
  expect(from).toBe(`labels: ${join(folder, "names.txt")}`);
  const report = JSON.parse(
    (await runCli(["inspect", folder, "--json", "--labels", "p,q,r,s", "--no-antialias"])).stdout,
  );
  expect(report.inferred).toMatchObject({ labels: "the command line", input: { antialias: "the command line" } });
  for (const wrong of [
    ["--std", "0"],
    ["--size", "2x3x4"],
    ["--mean", "a"],
    ["--fit", "squeeze"],
  ])
    expect((await runCli(["inspect", folder, ...wrong])).code).toBe(2);
});
