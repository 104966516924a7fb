import { readdirSync, type Stats, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;
const STICKY = 0o1000;

/** Who could change the program itself could change what it loads as well. */
const programOwner = (): number => statSync(fileURLToPath(import.meta.url)).uid;

/** Why what somebody else could have put there is not loaded, as part of a sentence; null where nobody else could. */
function doubtOf(at: string, stat: Stats): string | null {
  // Not on Windows, whose files have other rights.
  const user = process.geteuid?.();
  if (user === undefined) return null;
  if (stat.uid !== 0 && stat.uid !== user && stat.uid !== programOwner()) {
    return `${at} belongs to another user (${stat.uid}); give it to user ${user}, or name another folder`;
  }
  const groups = [process.getegid!(), ...process.getgroups!()];
  const strangersWrite = stat.mode & OTHERS_WRITE || (stat.mode & GROUP_WRITES && !groups.includes(stat.gid));
  if (!strangersWrite || (stat.isDirectory() && stat.mode & STICKY)) return null;
  return `${at} can be written by other users; run chmod go-w on it`;
}

/**
 * Why nothing is loaded from a folder: it, or a file in it, belongs to somebody else or can be written by others, so that
 * what lies there may not be what this program put there. Null where it is to be trusted, and where nothing is yet.
 * Folders of the user's own group are trusted: volumes of Kubernetes are made so.
 */
export function distrust(folder: string, contents: "contents" | "folder alone"): string | null {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return null;
  const doubt = doubtOf(folder, stat);
  if (doubt !== null || contents === "folder alone") return doubt;
  for (const name of readdirSync(folder)) {
    const at = path.join(folder, name);
    // Of a link, what it leads to.
    const target = statSync(at, { throwIfNoEntry: false });
    // One that leads nowhere gives nothing to load.
    const found = target ? doubtOf(at, target) : null;
    if (found !== null) return found;
  }
  return null;
}
