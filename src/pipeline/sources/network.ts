import { NO_RATE_GUESS, SILENCE_US, type SourceKind } from "./kind.js";

/** MPEG-TS over UDP, RTP or TCP, SRT, RTMP. */
export const network: SourceKind = {
  name: "network",
  looksLike: "rtmp://, srt://, udp:// or tcp://host:port",
  isLive: true,
  matches: (url) => /^(?:udp|tcp|srt|rtmp[st]?):\/\//i.test(url),
  inputOptions: ({ url }) => [
    ...["-rw_timeout", SILENCE_US],
    ...NO_RATE_GUESS,
    // A burst that overruns ffmpeg's buffer costs its packets, not the connection.
    ...(/^udp:/i.test(url) ? ["-timeout", SILENCE_US, "-overrun_nonfatal", "1"] : []),
  ],
  input: ({ url }) => ({ address: url }),
};
