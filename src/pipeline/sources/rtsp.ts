import { silenceMicroseconds } from "../timing.js";
import { isAtLeast } from "../tools.js";
import { AT_ONCE, NO_RATE_GUESS, type SourceKind } from "./kind.js";

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
  input: ({ url }) => ({ address: url }),
  quickLook: AT_ONCE,
  traits: () => ({ finite: false, paced: false, inputOptions: [...AT_ONCE] }),
};
