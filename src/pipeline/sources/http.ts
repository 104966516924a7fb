import { silenceMicroseconds } from "../timing.js";
import { type SourceKind, untimedTraits } from "./kind.js";

/** HLS, MJPEG and films over HTTP. Which of them it is shows when the stream is looked at. */
export const http: SourceKind = {
  name: "http",
  looksLike: "http(s)://host/live.m3u8, an MJPEG camera or a film",
  isLive: true,
  matches: (url) => /^https?:\/\//i.test(url),
  inputOptions: ({ stallSeconds }) => [
    ...["-reconnect", "1", "-reconnect_streamed", "1", "-reconnect_delay_max", "5"],
    ...["-rw_timeout", silenceMicroseconds(stallSeconds)],
  ],
  input: ({ url }) => ({ address: url }),
  mustLook: true,
  // Its parts do not say that they are JPEG; the pictures themselves do.
  anotherLook: (format) => (format === "mpjpeg" ? ["-f", "mjpeg"] : undefined),
  traits: (probe, config) => {
    const finite = probe?.duration !== undefined;
    const isHls = /\bhls\b/.test(probe?.format ?? "") || /\.m3u8(?:$|[?#])/i.test(config.url);
    return {
      finite,
      // A playlist comes in bursts of whole segments, a film as fast as the network allows.
      paced: isHls || finite,
      ...(finite ? { inputOptions: [] } : untimedTraits(probe?.format ?? "")),
      // A server keeps the last segments of a sender that is gone.
      position: isHls ? probe?.start : undefined,
    };
  },
};
