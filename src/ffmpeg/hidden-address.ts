import { type FfmpegVersion, isAtLeast } from "./version.js";

/** An input as ffmpeg and ffprobe get it. */
export interface FfmpegInput {
  /** Behind `-i`. */
  address: string;
  /** Text for the standard input. */
  stdin?: string;
  /** Options before `-i`. */
  inputOptions: readonly string[];
}

/** What RTSP is made of, where its options do not say it themselves. */
const PROTOCOLS = "rtsp,rtsps,rtp,srtp,tcp,udp,tls,http,https,httpproxy";

/**
 * Tells an address by a list of one entry on the standard input: every user of a machine can read the arguments of every
 * process. For RTSP times, ends, silence and words are the same that way; of other kinds the list would hide what the stream
 * is, or its options. `options` are pairs of a name and its value, all for the demuxer. Undefined where there is no such way.
 */
export function hiddenInput(
  address: string,
  options: readonly string[],
  version: FfmpegVersion,
): (FfmpegInput & { stdin: string }) | undefined {
  if (!/^rtsps?:/i.test(address) || /[\r\n]/.test(address) || !isAtLeast(version, 5, 1)) return undefined;
  const given = new Map<string, string>();
  for (let i = 0; i < options.length; i += 2) given.set(options[i]!.slice(1), options[i + 1]!);
  const protocols = given.get("protocol_whitelist") ?? PROTOCOLS;
  const formats = given.get("format_whitelist");
  const own = [...given].filter(([name]) => !name.endsWith("_whitelist"));
  const lines = own.map(([name, value]) => `option ${name} ${value}\n`);
  return {
    address: "pipe:0",
    stdin: `ffconcat version 1.0\nfile '${address.replaceAll("'", "'\\''")}'\n${lines.join("")}`,
    inputOptions: [
      ...["-f", "concat", "-safe", "0", "-protocol_whitelist", `pipe,fd,${protocols}`],
      ...(formats ? ["-format_whitelist", `concat,${formats}`] : []),
      // The list is looked at as well, as the stream itself is.
      ...["fpsprobesize", "probesize"].flatMap((name) => (given.has(name) ? [`-${name}`, given.get(name)!] : [])),
    ],
  };
}
