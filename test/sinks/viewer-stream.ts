import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import sharp from "sharp";
import type { Placement } from "../../src/frame.js";
import { makeMessage } from "../../src/messages/headers.js";
import type { FrameOutcome } from "../../src/messages/message.js";
import type { SourceStatus, Summary } from "../../src/messages/summary.js";
import type { UpcomingFrame } from "../../src/sinks/sink.js";

const FILM = fileURLToPath(new URL("../../assets/media/bottles.mp4", import.meta.url));
export const FRAME = { width: 640, height: 360 };
export const REGION = { x: 370, y: 80, width: 270, height: 270 };
export const PLACEMENT: Placement = { rect: REGION, clip: REGION };
const SIDE = 224;
/** A frame that is not explained, as sinks are asked whether they have use for its pictures. */
export const UPCOMING: UpcomingFrame = { sequence: 0, label: "water bottle", explained: false, why: [] };

export interface Shot {
  original: Uint8Array;
  heatmap: Uint8Array;
}

/** Real pictures of the bottle film, each with a heatmap made of its edges: bright ones positive, dark ones negative. */
export async function shots(count: number): Promise<Shot[]> {
  const folder = await mkdtemp(join(tmpdir(), "viewer-film-"));
  try {
    const every = `select='not(mod(n\\,${Math.floor(1180 / count)}))'`;
    const to = join(folder, "%04d.jpg");
    const options = ["-v", "error", "-i", FILM, "-vf", every, "-fps_mode", "passthrough", "-frames:v", `${count}`];
    await promisify(execFile)("ffmpeg", [...options, "-q:v", "3", to]);
    const files = (await readdir(folder)).sort();
    return await Promise.all(files.map(async (file) => shot(await readFile(join(folder, file)))));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function shot(original: Buffer): Promise<Shot> {
  const { x: left, y: top, width, height } = REGION;
  const part = sharp(original).extract({ left, top, width, height }).greyscale().resize(SIDE, SIDE);
  const fine = await part.clone().blur(3).raw().toBuffer();
  const coarse = await part.clone().blur(14).raw().toBuffer();
  const heat = Uint8Array.from(fine, (value, i) => {
    const [x, y] = [(i % SIDE) / SIDE - 0.5, Math.floor(i / SIDE) / SIDE - 0.5];
    const signed = (value - coarse[i]!) * 6 * Math.exp(-(x * x) / 0.045 - (y * y) / 0.12);
    return Math.max(1, Math.min(255, Math.round(128 + signed)));
  });
  const raw = { width: SIDE, height: SIDE, channels: 1 as const };
  return { original, heatmap: await sharp(heat, { raw }).toColourspace("b-w").png().toBuffer() };
}

const CLASSES = [
  "water bottle",
  "pop bottle, soda bottle",
  "lotion",
  "beaker",
  "vase",
  "washbasin, handbasin, washbowl",
];

/** The summary of frame `sequence`: mostly a water bottle, now and then a pop bottle or a beaker. */
export function summary(source: string, sequence: number, more: Partial<Summary> = {}): Summary {
  const phase = sequence % 160;
  const first = phase < 90 ? 0 : phase < 120 ? 1 : phase < 128 ? 3 : 0;
  const surely = 0.62 + 0.3 * Math.sin(sequence / 17) * Math.cos(sequence / 41);
  const order = [first, ...CLASSES.keys()].filter((c, i, all) => all.indexOf(c) === i);
  const top = order.slice(0, 5).map((index, rank) => ({
    index,
    label: CLASSES[index]!,
    probability: rank === 0 ? surely : ((1 - surely) * 0.55) / 2 ** (rank - 1),
  }));
  const positive = 0.71 + 0.08 * Math.sin(sequence / 23);
  const now = new Date().toISOString();
  return {
    schema: "explanation-summary/1",
    id: `line-3-${source}-0-${sequence}-summary`,
    station: "line-3",
    source,
    sequence,
    capturedAt: now,
    publishedAt: now,
    pts: sequence / 30,
    frame: FRAME,
    model: { name: "efficientnet-lite0", sha256: "0".repeat(64), engine: "onnxruntime-cpu" },
    classification: { top, target: { ...top[0]!, logit: 9.1 } },
    relevance: {
      method: "r-lrp",
      positive,
      negative: positive - 1,
      concentration: 0.52 + 0.12 * Math.sin(sequence / 31) + 0.03 * Math.sin(sequence / 3),
      centroid: [505, 215],
      scale: 0.00021,
      grid: { rows: 1, columns: 2, values: [0.4, 0.3] },
      regions: [{ ...REGION, share: 0.5 }],
    },
    timing: { queueMs: 4, explainMs: 31, overlayMs: 9, totalMs: 52 + (sequence % 9), batchSize: 1 },
    ...more,
  };
}

export interface OutcomeParts {
  original?: Uint8Array;
  heatmap?: Uint8Array;
  overlay?: Uint8Array;
  placement?: Placement;
  epoch?: number;
}

/** One frame as the pipeline hands it to sinks. */
export function frame(of: Summary, { original, heatmap, overlay, placement, epoch = 0 }: OutcomeParts): FrameOutcome {
  const { station, source, sequence, capturedAt: time } = of;
  const common = { station, source, epoch, sequence, time, whenFull: "drop" as const };
  const messages = [makeMessage({ ...common, kind: "summary", body: Buffer.from(JSON.stringify(of)) })];
  if (heatmap) messages.push(makeMessage({ ...common, kind: "heatmap", body: heatmap }));
  if (overlay) messages.push(makeMessage({ ...common, kind: "overlay", body: overlay }));
  return { source, summary: of, messages, original, placement };
}

/** A status message of a source, as the pipeline hands it to sinks. */
export function status(source: string, more: Partial<SourceStatus> = {}): FrameOutcome {
  const time = new Date().toISOString();
  const of: SourceStatus = {
    schema: "source-status/1",
    station: "line-3",
    source,
    time,
    state: "live",
    reason: null,
    since: time,
    restarts: 0,
    lastFrameAt: time,
    ledger: { captured: 18204, explained: 17912, classified: 0, dropped: { superseded: 264, stale: 26 }, inFlight: 2 },
    ffmpeg: [],
    ...more,
  };
  const body = Buffer.from(JSON.stringify(of));
  const common = { station: of.station, source, epoch: 0, sequence: Date.now(), time, whenFull: "drop" as const };
  return { source, status: of, messages: [makeMessage({ ...common, kind: "status", body })] };
}
