import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export const ffmpeg = (...args: string[]) => run("ffmpeg", ["-v", "error", "-y", ...args]);

export interface FilmFacts {
  codec_name: string;
  width: number;
  height: number;
  pix_fmt: string;
  sample_aspect_ratio: string;
  /** Decoded, not as the container says. */
  frames: number;
  /** Seconds. */
  duration: number;
}

/** What ffprobe says of a film's pictures after decoding all of them. */
export async function filmFacts(path: string): Promise<FilmFacts> {
  const entries = "stream=codec_name,width,height,pix_fmt,sample_aspect_ratio,nb_read_frames,duration";
  const { stdout } = await run("ffprobe", [
    "-v",
    "error",
    "-count_frames",
    "-show_entries",
    entries,
    "-of",
    "json",
    path,
  ]);
  const [stream] = (JSON.parse(stdout) as { streams: (FilmFacts & { nb_read_frames: string })[] }).streams;
  return { ...stream!, frames: Number(stream!.nb_read_frames), duration: Number(stream!.duration) };
}

/** When each frame is shown, in seconds. */
export async function frameTimes(path: string): Promise<number[]> {
  const args = ["-v", "error", "-show_entries", "frame=best_effort_timestamp_time", "-of", "json", path];
  const { stdout } = await run("ffprobe", args);
  const { frames } = JSON.parse(stdout) as { frames: { best_effort_timestamp_time: string }[] };
  return frames.map((frame) => Number(frame.best_effort_timestamp_time));
}

/** Red, green and blue of one pixel of the nth frame. */
export async function pixelOf(path: string, frame: number, x: number, y: number): Promise<number[]> {
  const filter = `select=eq(n\\,${frame}),crop=4:4:${x}:${y},scale=1:1:flags=area,format=rgb24`;
  const args = ["-v", "error", "-i", path, "-vf", filter, "-frames:v", "1", "-f", "rawvideo", "pipe:1"];
  const { stdout } = await run("ffmpeg", args, { encoding: "buffer" });
  return [...stdout];
}
