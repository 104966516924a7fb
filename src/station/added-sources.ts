import { realpath } from "node:fs/promises";
import { dirname, resolve, sep } from "node:path";
import { BoundedSemaphore } from "../bounded-semaphore.js";
import type { Config, SourceConfig } from "../config/schema.js";
import { InputError } from "../errors.js";
import { percentDecoded } from "../percent-decoded.js";
import { addressesOf, hostOf, inRange, isInternal, isMulticast } from "../pipeline/hosts.js";
import { expandGlob, hasWildcard } from "../pipeline/sources/glob.js";
import { isLocal, localPath } from "../pipeline/sources/local.js";
import { sourceKind } from "../pipeline/sources/registry.js";

/** What requests may open, `control.sources` of the configuration. */
export type AddedSources = Config["control"]["sources"];

/** Names that nobody answers for keep a thread of the system each for many seconds, of which there are few. */
const LOOKUPS = new BoundedSemaphore(2, 1000);

const refuse = (text: string): InputError => new InputError("not-allowed", text);

/** The same whether there is something or not: what this machine holds is not told to who may not open it. */
const OUTSIDE =
  "url names a file or folder that requests may not open; control.sources.folders in the configuration says which they may";

/**
 * Throws an `InputError` when a source is not one that requests may open. To be asked before each connection: a name may
 * come to mean another machine, a link another file.
 */
export async function checkAdded(source: SourceConfig, rules: AddedSources, baseDir: string): Promise<void> {
  const { name, url, truth } = source;
  if (truth !== undefined) throw refuse("truth names a file, which requests may not; leave it out");
  const local = isLocal(url) && !/^(?:testsrc$|\/dev\/v(?:ideo|4l))/.test(url);
  if (local) await checkPath(localPath(url, baseDir), rules.folders, baseDir);
  const kind = sourceKind(name, url, baseDir).name;
  if (!rules.kinds.some((allowed) => allowed === kind)) {
    throw refuse(
      `url is a source of kind ${kind}, which requests may not open; control.sources.kinds in the configuration says which they may`,
    );
  }
  if (local || kind === "testsrc" || kind === "v4l2") return;
  if (listens(url)) {
    if (rules.listen) return;
    throw refuse(
      "url would open a port of the worker's for whoever comes, which requests may not; give an address to connect to, or set control.sources.listen in the configuration",
    );
  }
  await checkHost(url, rules.hosts);
}

/** Whether ffmpeg would wait for a sender instead of connecting to one. Receiving over UDP is that, unless it joins a group. */
function listens(url: string): boolean {
  const scheme = url.slice(0, url.indexOf(":")).toLowerCase();
  const query = percentDecoded(url.slice(url.indexOf("?") + 1 || url.length));
  if (scheme === "udp") return !isMulticast(hostOf(url) ?? "");
  if (scheme === "srt") return [...query.matchAll(/(?:^|[?&])mode=([^&]*)/gi)].some(([, mode]) => mode !== "caller");
  return scheme === "tcp" && /(?:^|[?&])listen/i.test(query);
}

async function checkHost(url: string, allowed: readonly string[] | undefined): Promise<void> {
  const host = hostOf(url);
  if (host === undefined) throw refuse("url names no host; write it as rtsp://host/path");
  const which = "control.sources.hosts in the configuration says which they may";
  if (allowed?.some((one) => named(host, one.toLowerCase()))) return;
  const addresses = await LOOKUPS.run(() => addressesOf(host));
  if (allowed) {
    const all = addresses.length > 0 && addresses.every((address) => allowed.some((range) => inRange(address, range)));
    if (!all) throw refuse(`url names the host ${host}, which requests may not open; ${which}`);
  } else if (addresses.some(isInternal)) {
    throw refuse(
      `url names the host ${host}, which is this machine or a link-local address, and requests may not open those; ${which}`,
    );
  }
}

const named = (host: string, allowed: string): boolean =>
  allowed === "*" || host === allowed || (allowed.startsWith("*.") && host.endsWith(allowed.slice(1)));

async function checkPath(path: string, folders: readonly string[], baseDir: string): Promise<void> {
  const allowed = await Promise.all(folders.map((folder) => real(resolve(baseDir, folder))));
  const inside = (at: string): boolean =>
    allowed.some((folder) => at === folder || at.startsWith(folder.endsWith(sep) ? folder : folder + sep));
  const exact = await realpath(path).catch(() => undefined);
  if (exact !== undefined) {
    if (!inside(exact)) throw refuse(OUTSIDE);
  } else if (!inside(await real(hasWildcard(path) ? fixedPart(path) : path))) throw refuse(OUTSIDE);
  else if (hasWildcard(path)) {
    // That it cannot be expanded, the source itself says.
    for (const found of await expandGlob(path).catch(() => [])) if (!inside(await real(found))) throw refuse(OUTSIDE);
  }
}

/** The folder of a glob that has no wildcard in its path. */
function fixedPart(path: string): string {
  const parts = path.split(sep);
  return parts.slice(0, parts.findIndex(hasWildcard)).join(sep) || sep;
}

/** Where a path leads, links followed as far as it exists. */
async function real(path: string): Promise<string> {
  const found = await realpath(path).catch(() => undefined);
  if (found !== undefined) return found;
  const parent = dirname(path);
  return parent === path ? path : resolve(await real(parent), path.slice(parent.length).replace(/^[/\\]+/, ""));
}
