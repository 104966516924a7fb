import { type FfmpegVersion, isAtLeast } from "./version.js";

/** Frames pass as they come: by default ffmpeg would repeat and leave out frames to reach a constant rate. */
export const passThrough = (version: FfmpegVersion): string[] =>
  isAtLeast(version, 5, 1) ? ["-fps_mode", "passthrough"] : ["-vsync", "passthrough"];

/** Raw pictures, each as it comes. */
export const outputOptions = (version: FfmpegVersion): string[] => [
  ...passThrough(version),
  ...["-f", "rawvideo", "-pix_fmt", "rgb24"],
];
