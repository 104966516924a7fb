import { execFileSync } from "node:child_process";

/** A frame of the shipped film, two seconds in, as PNG. */
export function filmFrame() {
  const film = new URL("../assets/media/bottles.mp4", import.meta.url).pathname;
  const output = "-frames:v 1 -f image2pipe -c:v png -".split(" ");
  return execFileSync("ffmpeg", ["-v", "error", "-ss", "2", "-i", film, ...output], { maxBuffer: 2 ** 26 });
}
