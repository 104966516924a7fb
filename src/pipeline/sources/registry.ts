import { type ErrorCode, InputError, within } from "../../errors.js";
import { hasOpenLogin, redactWhole } from "../../redact.js";
import { file } from "./file.js";
import { http } from "./http.js";
import { images } from "./images.js";
import type { SourceKind } from "./kind.js";
import { isLocal, localPath, shownPath, statOf } from "./local.js";
import { network } from "./network.js";
import { rtsp } from "./rtsp.js";
import { testsrc } from "./testsrc.js";
import { v4l2 } from "./v4l2.js";

/** Every kind of source, the first that matches wins. One line registers a kind. */
export const SOURCE_KINDS: readonly SourceKind[] = [testsrc, v4l2, rtsp, http, network, images, file];

/** Of ffmpeg, without `//`: they read what was already opened, what an address itself holds, or parts of other addresses. */
const PROTOCOLS =
  /^(async|bluray|cache|concat|concatf|crypto|data|dvd|fd|ffrtmp\w+|gopher|hls|icecast|ipfs|ipns|md5|mms[ht]|pipe|prompeg|rtp|sctp|srtp|subfile|tee|tls|unix|zmq)(?:[+,][^:]*)?:/i;

const OPEN_LOGIN =
  "has a / ? or # in its password, where everybody who reads it sees the end of the host; percent-encode it (%2F, %3F, %23, and @ as %40)";

/** The kind that reads an address. Throws an `InputError` that names what is known. */
export function sourceKind(name: string, url: string, baseDir: string): SourceKind {
  const refuse = (code: ErrorCode, text: string, cause?: unknown) =>
    new InputError(code, text, { source: name, cause });
  if (hasOpenLogin(url)) throw refuse("address", `${shownPath(redactWhole(url))} ${OPEN_LOGIN}`);
  const found = within({ source: name }, () => {
    // A file may be called so.
    const isProtocol = isLocal(url) && PROTOCOLS.test(url) && !statOf(localPath(url, baseDir));
    return isProtocol ? undefined : SOURCE_KINDS.find((kind) => kind.matches(url, baseDir));
  });
  if (found) return found;
  const known = SOURCE_KINDS.map((kind) => kind.looksLike).join("; ");
  throw refuse("unknown-source", `${shownPath(redactWhole(url))} is no address that can be read; known are: ${known}`);
}
