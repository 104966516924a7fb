// Renders the film of the inspection demo and its truth, from a fixed seed: assets/inspection/line.mp4, truth.csv and masks/.
// `node scripts/inspection-line.mjs [FOLDER]`
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { FRAME, partsOfLine, renderLine } from "./inspection-line/scene.mjs";

/** Parts of the film, and how many come by in a second. */
const PARTS = 120;
const PARTS_A_SECOND = 2;

/**
 * Writes film and truth into a folder.
 * @param {string} folder
 * @param {{ parts?: number, type?: Parameters<typeof renderLine>[1] }} [options]
 */
export async function writeLine(folder, { parts = PARTS, type } = {}) {
  const { width, height } = FRAME;
  const masks = path.join(folder, "masks");
  rmSync(masks, { recursive: true, force: true });
  mkdirSync(masks, { recursive: true });
  const input = [
    "-f",
    "rawvideo",
    "-pix_fmt",
    "rgb24",
    "-s",
    `${width}x${height}`,
    "-r",
    `${PARTS_A_SECOND}`,
    "-i",
    "-",
  ];
  const colours = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709", "-color_range", "tv"];
  const coding = ["-c:v", "libx264", "-crf", "25", "-preset", "slow", "-pix_fmt", "yuv420p", "-threads", "1"];
  const container = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart"];
  const words = [
    "-y",
    "-loglevel",
    "error",
    ...input,
    ...colours,
    ...coding,
    ...container,
    path.join(folder, "line.mp4"),
  ];
  const ffmpeg = spawn("ffmpeg", words, { stdio: ["pipe", "inherit", "inherit"] });
  const ended = once(ffmpeg, "exit");
  const rows = ["seconds,label,mask"];
  let k = 0;
  for (const { label, rgb, mask } of renderLine(partsOfLine(parts), type)) {
    if (!ffmpeg.stdin.write(rgb)) await once(ffmpeg.stdin, "drain");
    const name = `masks/${String(k).padStart(4, "0")}.png`;
    if (mask) {
      const raw = { width, height, channels: /** @type {1} */ (1) };
      await sharp(mask, { raw })
        .png({ palette: true, colours: 2, compressionLevel: 9 })
        .toFile(path.join(folder, name));
    }
    rows.push(`${k / PARTS_A_SECOND},${label},${mask ? name : ""}`);
    k++;
  }
  ffmpeg.stdin.end();
  const [code] = await ended;
  if (code !== 0) throw new Error(`ffmpeg ended with code ${code}`);
  writeFileSync(path.join(folder, "truth.csv"), `${rows.join("\n")}\n`);
}

const own = fileURLToPath(import.meta.url);
if (process.argv[1] && path.resolve(process.argv[1]) === own)
  await writeLine(process.argv[2] ?? path.join(path.dirname(own), "../assets/inspection"));
