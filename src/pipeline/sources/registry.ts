import { InputError } from "../../errors.js";
import { maskCredentials } from "../mask.js";
import { file } from "./file.js";
import { http } from "./http.js";
import { images } from "./images.js";
import type { SourceKind } from "./kind.js";
import { network } from "./network.js";
import { rtsp } from "./rtsp.js";
import { testsrc } from "./testsrc.js";
import { v4l2 } from "./v4l2.js";

/** Every kind of source, the first that matches wins. One line registers a kind. */
export const SOURCE_KINDS: readonly SourceKind[] = [testsrc, v4l2, rtsp, http, network, images, file];

/** The kind that reads an address. Throws an `InputError` that names what is known. */
export function sourceKind(name: string, url: string, baseDir: string): SourceKind {
  const kind = SOURCE_KINDS.find((k) => k.matches(url, baseDir));
  if (kind) return kind;
  const known = SOURCE_KINDS.map((k) => k.looksLike).join("; ");
  throw new InputError(
    "unknown-source",
    `Source ${name}: ${maskCredentials(url)} is no address that can be read; known are: ${known}.`,
  );
}
