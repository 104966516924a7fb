import { runChild } from "../ffmpeg/children.js";
import { ffprobePath, startFault } from "../ffmpeg/version.js";
import { file } from "../pipeline/sources/file.js";
import { reachOptions } from "../pipeline/sources/reach.js";

const ASK_MS = 20_000;

/** What a film says of itself before it is decoded. */
export interface FilmInfo {
  /** Frames, as the container counts them or, `estimated`, from duration and rate. */
  frames?: number;
  estimated: boolean;
  /** Seconds. */
  duration?: number;
}

interface Stream {
  width?: number;
  height?: number;
  nb_frames?: string;
  avg_frame_rate?: string;
  duration?: string;
}

const ratio = (text = ""): number => {
  const [over, under] = text.split("/").map(Number);
  return over! > 0 && under! > 0 ? over! / under! : Number.NaN;
};

/** Asks ffprobe. What it does not know stays undefined: a film that cannot be read at all is found elsewhere. Throws one sentence when ffprobe does not start. */
export async function filmInfo(path: string): Promise<FilmInfo> {
  const entries = "width,height,nb_frames,avg_frame_rate,duration";
  const args = ["-v", "error", "-select_streams", "V", "-of", "json", ...reachOptions(file.reach({ url: path }), [])];
  args.push("-show_entries", `stream=${entries}:format=duration`, "-i", `file:${path}`);
  const program = ffprobePath();
  const { code, stdout } = await runChild({ program, args }, ASK_MS).catch((cause: unknown) => {
    throw startFault("ffprobe", program, cause);
  });
  const { streams = [], format = {} } = JSON.parse(code === 0 ? stdout || "{}" : "{}") as {
    streams?: Stream[];
    format?: { duration?: string };
  };
  const area = (s?: Stream): number => (s?.width ?? 0) * (s?.height ?? 0);
  const video = streams.reduce<Stream | undefined>((best, s) => (area(s) > area(best) ? s : best), undefined);
  if (!video) return { estimated: true };
  const duration = [Number(video.duration), Number(format.duration)].find((seconds) => seconds > 0);
  const counted = Number(video.nb_frames);
  const guessed = Math.round((duration ?? Number.NaN) * ratio(video.avg_frame_rate));
  return {
    ...(counted > 0 ? { frames: counted } : guessed > 0 ? { frames: guessed } : {}),
    ...(duration ? { duration } : {}),
    estimated: !(counted > 0),
  };
}
