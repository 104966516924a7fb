import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ffmpeg } from "../pipeline/helpers.js";
import { BOTTLES } from "./worker.js";

/** The first frames of the shipped film, as they are, in a file whose index comes first. */
export function cutFilm(folder: string, frames: number): string {
  const path = join(folder, `bottles-${frames}.mp4`);
  ffmpeg("-i", BOTTLES, "-frames:v", String(frames), "-c", "copy", "-movflags", "+faststart", path);
  return path;
}

/** A copy that ends in the middle of the file. */
export function truncated(film: string, share: number): string {
  const path = film.replace(".mp4", "-truncated.mp4");
  const bytes = readFileSync(film);
  writeFileSync(path, bytes.subarray(0, Math.round(bytes.length * share)));
  return path;
}

/** Frames that ffprobe can decode, whatever it complains of. */
export function decodableFrames(film: string): number {
  const args = ["-v", "quiet", "-count_frames", "-select_streams", "v:0", "-show_entries", "stream=nb_read_frames"];
  return Number(execFileSync("ffprobe", [...args, "-of", "default=nk=1:nw=1", film], { encoding: "utf8" }));
}
