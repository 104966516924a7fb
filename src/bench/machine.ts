import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { askFfmpeg } from "../ffmpeg/version.js";
import { packageVersion } from "../version.js";
import { rounded } from "./figures.js";

/** What figures were taken on. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  platform: string;
  /** Of one minute, before the bench: much of it makes the figures worthless. */
  loadAverage: number;
  versions: { "video-explainer": string; node: string; ffmpeg: string; onnxruntime: string };
}

export async function describeMachine(): Promise<Machine> {
  const ffmpeg = await askFfmpeg(["-version"]);
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    loadAverage: rounded(loadavg()[0]!, 2),
    versions: {
      "video-explainer": packageVersion(),
      node: process.version,
      ffmpeg: /^ffmpeg version (\S+)/.exec(ffmpeg)?.[1] ?? "unknown",
      onnxruntime: version,
    },
  };
}
