import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { deviceUse } from "../../src/metrics/device-use.js";
import { createMetrics } from "../../src/metrics/metrics.js";

const folder = mkdtempSync(join(tmpdir(), "device-use-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
/** A program that answers as NVIDIA's does, and notes each call. */
function tool(script: string): { path: string; calls: string } {
  const path = join(folder, `nvidia-smi-${made++}`);
  const calls = `${path}.calls`;
  writeFileSync(path, `#!/bin/sh\necho "$*" >> ${calls}\n${script}\n`);
  chmodSync(path, 0o755);
  return { path, calls };
}

/** `/sys` of a machine with these files of a card's driver. */
function system(cards: Record<string, Record<string, string>>): string {
  const root = join(folder, `root-${made++}`);
  for (const [card, files] of Object.entries(cards)) {
    mkdirSync(join(root, "sys/class/drm", card, "device"), { recursive: true });
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(root, "sys/class/drm", card, "device", name), text);
  }
  return root;
}
const NONE = join(folder, "no-such-tool");

describe("what cards are doing", () => {
  it("is read from NVIDIA's tool, in bytes and shares, without what it does not tell", async () => {
    const { path } = tool(
      `echo "0, NVIDIA GeForce RTX 4070, 1234, 12282, 37"; echo "1, NVIDIA A30 MIG 1g.6gb, 100, 5952, [N/A]"`,
    );
    expect(await deviceUse(system({}), path)()).toEqual([
      { device: "0: NVIDIA GeForce RTX 4070", usedBytes: 1234 * 2 ** 20, totalBytes: 12282 * 2 ** 20, busy: 0.37 },
      { device: "1: NVIDIA A30 MIG 1g.6gb", usedBytes: 100 * 2 ** 20, totalBytes: 5952 * 2 ** 20, busy: undefined },
    ]);
  });

  it("is read from the files of AMD's driver; other drivers have none of them", async () => {
    const root = system({
      card0: { mem_info_vram_total: "8573157376\n", mem_info_vram_used: "2147483648\n", gpu_busy_percent: "25\n" },
      card1: { vendor: "0x8086\n" },
      "card0-HDMI-A-1": { mem_info_vram_total: "1\n" },
    });
    expect(await deviceUse(root, NONE)()).toEqual([
      { device: "card0", usedBytes: 2147483648, totalBytes: 8573157376, busy: 0.25 },
    ]);
  });

  it.each([
    ["is missing", NONE],
    ["fails", tool("echo 'NVIDIA-SMI has failed'; exit 9").path],
    ["answers nonsense", tool("echo hello; echo").path],
    ["cannot even be asked for", "no\0tool"],
  ])("is unknown where the tool %s", async (_, path) => {
    expect(await deviceUse(system({}), path)()).toEqual([]);
  });

  it("is not asked for again within seconds, however often metrics are read", async () => {
    const { path, calls } = tool(`echo "0, Card, 1, 2, 3"`);
    const read = deviceUse(system({}), path);
    const metrics = createMetrics();
    metrics.watchDevices(read);
    const texts = await Promise.all([1, 2, 3].map(() => metrics.render()));
    for (const text of texts) {
      expect(text).toContain('video_explainer_device_memory_used_bytes{device="0: Card"} 1048576');
      expect(text).toContain('video_explainer_device_memory_bytes{device="0: Card"} 2097152');
      expect(text).toContain('video_explainer_device_busy_ratio{device="0: Card"} 0.03');
    }
    expect(readFileSync(calls, "utf8").trim().split("\n")).toHaveLength(1);
  });
});

describe("an engine's work", () => {
  it("is counted in batches and in seconds that it was busy", async () => {
    const metrics = createMetrics();
    metrics.engineRun("onnxruntime-cpu", 0.25);
    metrics.engineRun("onnxruntime-cpu", 0.5);
    metrics.engineRun("onnxruntime-cpu", Number.NaN);
    const text = await metrics.render();
    expect(text).toContain('video_explainer_engine_batches_total{engine="onnxruntime-cpu"} 3');
    expect(text).toContain('video_explainer_engine_busy_seconds_total{engine="onnxruntime-cpu"} 0.75');
  });
});
