import type { StreamSinkConfig } from "../../config/schema.js";
import { schemeOf } from "../../config/stream-url.js";
import { askFfmpeg, ffmpegPath } from "../../ffmpeg/version.js";

/** What is said of a key of the sink's configuration. */
export interface StreamFault {
  key: "url" | "encoder";
  message: string;
}

/** What RTSP is made of is no protocol of ffmpeg's own. */
const PROTOCOLS: Readonly<Record<string, string>> = { rtsp: "tcp", rtsps: "tls" };

/** What the installed ffmpeg lacks for a stream; rejects with one sentence where it does not answer. */
export async function streamFaults({
  url,
  encoder,
}: Pick<StreamSinkConfig, "url" | "encoder">): Promise<StreamFault[]> {
  const scheme = schemeOf(url);
  const [encoders, protocols] = await Promise.all(
    ["-encoders", "-protocols"].map((question) => askFfmpeg(["-hide_banner", question])),
  );
  const faults: StreamFault[] = [];
  const lacks = (key: StreamFault["key"], what: string): void =>
    void faults.push({
      key,
      message: `cannot be used, since ffmpeg (${ffmpegPath()}) has no ${what}; install one with it, or choose another`,
    });
  if (!new RegExp(`^ V\\S+ ${encoder} `, "m").test(encoders!)) lacks("encoder", `encoder ${encoder}`);
  if (scheme !== undefined) {
    const protocol = PROTOCOLS[scheme] ?? scheme;
    const out = protocols!.slice(protocols!.indexOf("Output:"));
    if (!new RegExp(`^\\s*${protocol}$`, "m").test(out)) lacks("url", `protocol ${protocol}`);
  }
  return faults;
}
