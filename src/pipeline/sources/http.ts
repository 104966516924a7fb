import { silenceMicroseconds } from "../timing.js";
import { type SourceKind, untimedTraits } from "./kind.js";
import { HTTP, PICTURES, PLAYLISTS, STREAMS } from "./reach.js";

/** HLS, MJPEG, films and snapshots over HTTP. Which of them it is shows when the stream is looked at. */
export const http: SourceKind = {
  name: "http",
  looksLike: "http(s)://host/live.m3u8, an MJPEG camera, a snapshot or a film",
  isLive: true,
  playlists: true,
  matches: (url) => /^https?:\/\//i.test(url),
  inputOptions: ({ stallSeconds }) => [
    ...["-reconnect", "1", "-reconnect_streamed", "1", "-reconnect_delay_max", "5"],
    ...["-rw_timeout", silenceMicroseconds(stallSeconds)],
  ],
  reach: () => ({ protocols: HTTP, formats: [...STREAMS, ...PICTURES, ...PLAYLISTS] }),
  input: ({ url }) => ({ address: url }),
  mustLook: true,
  // Its parts do not say that they are JPEG; the pictures themselves do.
  anotherLook: (format) => (format === "mpjpeg" ? ["-f", "mjpeg"] : undefined),
  traits: (probe, config) => {
    const format = probe?.format ?? "";
    const isSnapshot = /^(?:image2|\w+_pipe)$/.test(format);
    const isHls = /\bhls\b/.test(format) || /\.m3u8(?:$|[?#])/i.test(config.url);
    // What browsers record does not say its duration, and no server that cannot be asked for parts of a film lets it be found.
    // A snapshot has an end too, yet is asked for again, also when that failed.
    const finite =
      !isSnapshot && (probe?.duration !== undefined || (!isHls && format !== "mpjpeg" && hasEnd(probe?.size)));
    return {
      finite,
      // A playlist comes in bursts of whole segments, a film as fast as the network allows.
      paced: isHls || finite,
      ...(finite ? { inputOptions: [] } : untimedTraits(format)),
      // A server keeps the last segments of a sender that is gone.
      position: isHls ? probe?.start : undefined,
      repeats: isSnapshot ? { seconds: 1 / (config.fps ?? 1), options: asking } : undefined,
    };
  },
};

/** Lengths that cameras claim for what has no end. */
const ENDLESS = new Set([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32]);
const hasEnd = (size: number | undefined): boolean => size !== undefined && !ENDLESS.has(size) && size < 2 ** 40;

/** The same address is asked for a picture again and again, by one ffmpeg. */
const asking = (seconds: number): string[] => [
  ...["-f", "image2", "-pattern_type", "none", "-loop", "1", "-framerate", String(1 / seconds)],
];
