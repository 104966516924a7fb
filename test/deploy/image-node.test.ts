import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IMAGE_NODE } from "../../scripts/setup.mjs";
import { summarySchema } from "../../src/messages/summary.js";
import { runCli } from "../cli/run-cli.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const NODE = join(ROOT, IMAGE_NODE.program);
const isFetched = existsSync(NODE);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "image-node-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("the release of Node that the image has", () => {
  it("is the one that npm test fetches", () => {
    const dockerfile = readFileSync(join(ROOT, "deploy/Dockerfile"), "utf8");
    expect(dockerfile).toContain(`\nARG NODE_IMAGE=node:${IMAGE_NODE.version}-bookworm-slim\n`);
    if (process.env.CI && process.platform === "linux" && process.arch === "x64") expect(isFetched).toBe(true);
  });

  it("runs the worker from film to files", async ({ skip }) => {
    if (!isFetched) skip("npm test fetches it, on x86-64 Linux");
    const config = {
      model: { path: join(ROOT, "models/inspection-cnn") },
      engine: { cache: join(folder, "cache") },
      sources: [{ name: "belt", url: join(ROOT, "assets/media/bottles.mp4"), fps: 2, policy: "every-frame" }],
      sinks: [{ kind: "files", path: "out" }],
      metrics: { port: 0 },
    };
    writeFileSync(join(folder, "config.yaml"), JSON.stringify(config));
    const { code, stderr } = await runCli(["run", join(folder, "config.yaml")], {}, NODE);
    expect(code, stderr).toBe(0);
    const files = readdirSync(join(folder, "out/belt"), { recursive: true, encoding: "utf8" });
    const lines = readFileSync(join(folder, "out/belt/summaries.jsonl"), "utf8").trimEnd().split("\n");
    const explained = lines.map((line) => summarySchema.parse(JSON.parse(line))).filter((s) => s.relevance);
    expect(explained.length).toBeGreaterThan(5);
    expect(files.filter((file) => file.endsWith(".jpg"))).toHaveLength(explained.length);
  });
});
