import type { SourceConfig } from "../../config/schema.js";
import { scaledSize, turned } from "../../frame.js";
import type { SourceKind } from "./kind.js";

const size = (config: SourceConfig): { width: number; height: number } =>
  scaledSize(turned({ width: 1280, height: 720 }, config.rotate), config);

/** A moving test picture, live: ffmpeg's `testsrc2`, 1280x720 at 25 frames a second unless configured. */
export const testsrc: SourceKind = {
  name: "testsrc",
  looksLike: "testsrc",
  isLive: true,
  setsRate: true,
  matches: (url) => url === "testsrc",
  inputOptions: () => ["-f", "lavfi"],
  reach: () => ({ protocols: [], formats: ["lavfi"] }),
  input: (config) => {
    const { width, height } = turned(size(config), config.rotate);
    return { address: `testsrc2=size=${width}x${height}:rate=${config.fps ?? 25}` };
  },
  size,
  traits: () => ({ finite: false, paced: true, inputOptions: [] }),
};
