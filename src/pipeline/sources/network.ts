import { silenceMicroseconds } from "../timing.js";
import { NO_RATE_GUESS, namedFormat, type SourceKind, untimedTraits } from "./kind.js";

/** MPEG-TS over UDP, RTP or TCP, SRT, RTMP. */
export const network: SourceKind = {
  name: "network",
  looksLike: "rtmp://, srt://, udp:// or tcp://host:port",
  isLive: true,
  matches: (url) => /^(?:udp|tcp|srt|rtmp[st]?):\/\//i.test(url),
  inputOptions: ({ url, stallSeconds }) => [
    ...["-rw_timeout", silenceMicroseconds(stallSeconds)],
    ...NO_RATE_GUESS,
    // A burst that overruns ffmpeg's buffer costs its packets, not the connection.
    ...(/^udp:/i.test(url) ? ["-timeout", silenceMicroseconds(stallSeconds), "-overrun_nonfatal", "1"] : []),
  ],
  input: ({ url }) => ({ address: url }),
  traits: (probe, { inputOptions }) => ({
    finite: false,
    paced: false,
    ...untimedTraits(probe?.format ?? namedFormat(inputOptions) ?? ""),
  }),
};
