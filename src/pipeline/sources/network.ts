import { silenceMicroseconds } from "../timing.js";
import { NO_RATE_GUESS, namedFormat, type SourceKind, untimedTraits } from "./kind.js";
import { PICTURES, STREAMS } from "./reach.js";

/** Each with what it needs beneath. */
const PROTOCOLS: Readonly<Record<string, readonly string[]>> = {
  udp: ["udp"],
  tcp: ["tcp"],
  srt: ["srt"],
  rtmp: ["rtmp", "tcp"],
  rtmps: ["rtmps", "tls", "httpproxy", "tcp"],
  rtmpt: ["rtmpt", "ffrtmphttp", "http", "tcp"],
};

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
  reach: ({ url }) => ({
    protocols: PROTOCOLS[url.slice(0, url.indexOf(":")).toLowerCase()]!,
    formats: [...STREAMS, ...PICTURES],
  }),
  input: ({ url }) => ({ address: url }),
  traits: (probe, { inputOptions }) => ({
    finite: false,
    paced: false,
    ...untimedTraits(probe?.format ?? namedFormat(inputOptions) ?? ""),
  }),
};
