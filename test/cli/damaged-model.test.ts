import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noise } from "../explain/random/writer.js";
import { GOLDEN } from "../explain/twin/golden.js";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "damaged-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const cli = (...words: string[]): Promise<{ code: number; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...words], { timeout: 30_000 }, (error, _stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? -1) : 0, stderr });
    });
  });

/** Flips a few bits, most of them where the graph is described. */
function flipped(bytes: Buffer, seed: number): Buffer {
  const random = noise(seed);
  for (let k = 0; k < 8; k++)
    bytes[Math.floor(Math.abs(random()) ** 2 * bytes.length)]! ^= 1 << Math.floor(4 * (1 + random()));
  return bytes;
}

describe("a model file with bits flipped never crashes a command: it works, or one sentence and exit 2", () => {
  it.each([
    ["max-pool", "model.onnx"],
    ["squeeze-excite-sigmoid", "model.onnx"],
    ["keras-residual/layers", "model.json"],
    ["keras-mobile/graph", "model.json"],
  ])("%s", async (name, file) => {
    const model = join(folder, name.replace("/", "-"));
    cpSync(join(GOLDEN, name), model, { recursive: true });
    const whole = readFileSync(join(model, file));
    const codes: number[] = [];
    for (let seed = 1; seed <= 4; seed++) {
      writeFileSync(join(model, file), flipped(Buffer.from(whole), seed));
      const { code, stderr } = await cli("inspect", model);
      codes.push(code);
      if (code === 0) expect(stderr).toBe("");
      else expect(stderr).toMatch(/^video-explainer: [^\n]+[^.]\n$/);
    }
    expect(codes.every((c) => c === 0 || c === 2)).toBe(true);
    expect(codes).toContain(2);
  });
});
