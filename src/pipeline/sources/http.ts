import { SILENCE_US, type SourceKind } from "./kind.js";
import { HTTP, PICTURES, PLAYLISTS, STREAMS } from "./reach.js";

/** HLS, MJPEG and films over HTTP. Which of them it is shows when the stream is looked at. */
export const http: SourceKind = {
  name: "http",
  looksLike: "http(s)://host/live.m3u8, an MJPEG camera or a film",
  isLive: true,
  matches: (url) => /^https?:\/\//i.test(url),
  inputOptions: () => [
    ...["-reconnect", "1", "-reconnect_streamed", "1", "-reconnect_delay_max", "5"],
    ...["-rw_timeout", SILENCE_US],
  ],
  reach: () => ({ protocols: HTTP, formats: [...STREAMS, ...PICTURES, ...PLAYLISTS] }),
  input: ({ url }) => ({ address: url }),
  traits: (probe, config) => {
    const finite = probe?.duration !== undefined;
    const isHls = /\bhls\b/.test(probe?.format ?? "") || /\.m3u8(?:$|[?#])/i.test(config.url);
    const isMjpeg = /\bmpjpeg\b/.test(probe?.format ?? "");
    return {
      finite,
      // A playlist comes in bursts of whole segments, a film as fast as the network allows.
      paced: isHls || finite,
      inputOptions: isMjpeg ? ["-use_wallclock_as_timestamps", "1"] : [],
      untimed: isMjpeg,
      // A server keeps the last segments of a sender that is gone.
      position: isHls ? probe?.start : undefined,
    };
  },
};
