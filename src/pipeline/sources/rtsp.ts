import { isAtLeast } from "../../ffmpeg/version.js";
import { silenceMicroseconds } from "../timing.js";
import { NO_RATE_GUESS, SMALL_PROBE, type SourceKind } from "./kind.js";

/** `http` is there for cameras behind a tunnel (`-rtsp_transport http`). */
const PROTOCOLS = ["rtsp", "rtsps", "rtp", "srtp", "udp", "tcp", "tls", "http", "https", "httpproxy"];

/** Network cameras. */
export const rtsp: SourceKind = {
  name: "rtsp",
  looksLike: "rtsp://camera/stream",
  isLive: true,
  matches: (url) => /^rtsps?:\/\//i.test(url),
  inputOptions: ({ transport, stallSeconds }, version) => [
    ...["-rtsp_transport", transport],
    // Its default waits for ever; before ffmpeg 5 `-timeout` meant to listen.
    ...[isAtLeast(version, 5) ? "-timeout" : "-stimeout", silenceMicroseconds(stallSeconds)],
    ...NO_RATE_GUESS,
  ],
  // What its packets hold is in their description; no other demuxer is asked.
  reach: () => ({ protocols: PROTOCOLS, formats: ["rtsp"] }),
  input: ({ url }) => ({ address: url }),
  quickLook: SMALL_PROBE,
  traits: () => ({ finite: false, paced: false, inputOptions: [...SMALL_PROBE] }),
};
