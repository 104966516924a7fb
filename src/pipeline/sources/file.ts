import { extname } from "node:path";
import { type ErrorCode, InputError } from "../../errors.js";
import type { SourceKind } from "./kind.js";
import { isLocal, localPath, shownPath, statOf, statOrReason } from "./local.js";
import { FILMS, PICTURES, STREAMS } from "./reach.js";

/** Films that are lists of other files. What is one without being called so did not come from who wrote the address. */
const LISTS: Readonly<Record<string, string>> = {
  ".m3u8": "hls",
  ".mpd": "dash",
  ".ffconcat": "concat",
  ".sdp": "sdp",
};

/** Tells one state of a file from another; empty where there is none. */
export function revisionOf(path: string): string {
  const stat = statOf(path);
  return stat?.size ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "";
}

/** A film, of any container that ffmpeg knows. */
export const file: SourceKind = {
  name: "file",
  looksLike: "a film such as belt.mp4",
  isLive: false,
  matches: (url) => isLocal(url),
  inputOptions: () => [],
  reach: ({ url }) => {
    const list = LISTS[extname(url).toLowerCase()];
    return {
      protocols: ["file", "crypto", "data"],
      formats: [...STREAMS, ...PICTURES, ...FILMS, ...(list ? [list] : [])],
    };
  },
  revision: ({ url }, baseDir) => revisionOf(localPath(url, baseDir)),
  input: ({ name, url }, baseDir) => {
    const path = localPath(url, baseDir);
    const found = statOrReason(path);
    const refuse = (code: ErrorCode, what: string): InputError => new InputError(code, what, { source: name });
    const shown = shownPath(path);
    const { stats } = found;
    if (!stats) {
      throw found.missing
        ? refuse("missing-file", `there is no file ${shown}; check its url`)
        : refuse("unreadable-file", `${shown} cannot be read: ${found.reason}`);
    }
    if (stats.isDirectory()) throw refuse("no-file", `${shown} is a folder, not a film`);
    // To read one may never end, or take from another program what was not meant for this one.
    if (!stats.isFile()) {
      const what = `${shown} is a device, pipe or socket, not a film; of devices only cameras such as /dev/video0 are read`;
      throw refuse("no-file", what);
    }
    if (stats.size === 0) throw refuse("empty-file", `${shown} is empty`);
    return { address: `file:${path}` };
  },
};
