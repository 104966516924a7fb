// How many bytes of each kind are published of a frame: node bench/message-bytes.mjs [--width 640] [--height 360] [--fps 2] [--model models/efficientnet-lite0]
// Of the shipped film, scaled; sizes do not depend on how busy the machine is.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    width: { type: "string", default: "640" },
    height: { type: "string", default: "360" },
    fps: { type: "string", default: "2" },
    model: { type: "string", default: "models/efficientnet-lite0" },
  },
});
const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "message-bytes-"));
try {
  const [width, height] = [Number(values.width), Number(values.height)];
  const config = {
    model: { path: resolve(root, values.model) },
    sources: [{ name: "belt", url: join(root, "assets/media/bottles.mp4"), fps: Number(values.fps), width, height }],
    sinks: [{ kind: "files", path: "out", publish: ["summary", "overlay", "heatmap", "original", "status"] }],
    metrics: { port: 0 },
  };
  writeFileSync(join(folder, "config.yaml"), JSON.stringify(config));
  const run = spawnSync(process.execPath, [join(root, "dist/cli/main.js"), "run", join(folder, "config.yaml")]);
  if (run.status !== 0) throw new Error(String(run.stderr));
  const out = join(folder, "out/belt");
  const files = readdirSync(out, { recursive: true, encoding: "utf8" });
  const mean = (sizes) => Math.round(sizes.reduce((sum, size) => sum + size, 0) / sizes.length);
  const lines = readFileSync(join(out, "summaries.jsonl"), "utf8").trimEnd().split("\n");
  const sizesOf = (ending) => files.filter((file) => ending.test(file)).map((file) => statSync(join(out, file)).size);
  const sizes = {
    summary: mean(lines.map((line) => Buffer.byteLength(line))),
    overlay: mean(sizesOf(/\d{10}\.jpg$/)),
    heatmap: mean(sizesOf(/\.png$/)),
    original: mean(sizesOf(/-original\.jpg$/)),
  };
  console.log(`${width}x${height}, ${lines.length} frames: ${JSON.stringify(sizes)} bytes a frame`);
} finally {
  rmSync(folder, { recursive: true });
}
