import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { hostname } from "node:os";
import { truncate } from "../truncate.js";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

const bare = (host: string): string =>
  host
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();

/** Whether a name or address, brackets or not, is that of this machine alone: `::ffff:127.0.0.1` is as well. */
export function isLoopback(host: string): boolean {
  const name = bare(host);
  const version = isIP(name);
  if (version === 0) return name === "localhost" || name.endsWith(".localhost");
  return LOOPBACK.check(name, version === 6 ? "ipv6" : "ipv4");
}

export const isWildcard = (host: string): boolean => host === "" || /^(0\.0\.0\.0|\[?::\]?)$/.test(host);

/** The name or address in a `Host` header, without its port; undefined where it holds none. */
function nameIn(header: string): string | undefined {
  // No user, path or query: those belong to addresses, not to this header.
  if (!/^[^\s/?#@\\]+$/.test(header) || !URL.canParse(`http://${header}`)) return undefined;
  return bare(new URL(`http://${header}`).hostname);
}

const MAX_SHOWN_CHARACTERS = 80;

/**
 * Whether a server answers to the name that a request calls it by; a sentence says why not. A web site may let a name of
 * its own resolve to this machine (DNS rebinding), and its pages could then read what a visitor's browser reaches.
 * Addresses are no names, so they pass; of names those of this machine, that of `boundTo`, and `hosts`, where `.example`
 * stands for every name below it.
 */
export function hostCheck(boundTo: string, hosts: readonly string[]): (request: IncomingMessage) => string | null {
  const own = new Set([boundTo, hostname(), ...hosts].map(bare));
  const below = hosts.map(bare).filter((host) => host.startsWith("."));
  return ({ headers: { host } }) => {
    // A browser always tells it.
    if (host === undefined) return null;
    const name = nameIn(host);
    if (name !== undefined) {
      if (isIP(name) !== 0 || isLoopback(name) || own.has(name)) return null;
      if (below.some((suffix) => name.endsWith(suffix) || name === suffix.slice(1))) return null;
    }
    return `nothing here answers to the name ${truncate(host, MAX_SHOWN_CHARACTERS)}: use this machine's address, or allow the name (hosts in the configuration, --allow-host of watch)`;
  };
}
