import type { SourceConfig } from "../../config/schema.js";
import type { SourceKind } from "./kind.js";

const size = ({ width, height }: SourceConfig): { width: number; height: number } => {
  if (width) return { width, height: height ?? Math.max(1, Math.round((width * 9) / 16)) };
  return height ? { width: Math.max(1, Math.round((height * 16) / 9)), height } : { width: 1280, height: 720 };
};

/** A moving test picture, live: ffmpeg's `testsrc2`, 1280x720 at 25 frames a second unless configured. */
export const testsrc: SourceKind = {
  name: "testsrc",
  looksLike: "testsrc",
  isLive: true,
  setsRate: true,
  matches: (url) => url === "testsrc",
  inputOptions: () => ["-f", "lavfi"],
  input: (config) => {
    const { width, height } = size(config);
    return { address: `testsrc2=size=${width}x${height}:rate=${config.fps ?? 25}` };
  },
  size,
  traits: () => ({ finite: false, paced: true, inputOptions: [] }),
};
