import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";

/**
 * The host that an address names, as ffmpeg reads it: behind the last `@` before the first `/`, `?` or `#`, without the
 * port and without brackets. Undefined where there is none, or where others could read another one.
 */
export function hostOf(url: string): string | undefined {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url)?.[1];
  if (authority === undefined || /[\s\\]/.test(authority)) return undefined;
  const place = authority.slice(authority.lastIndexOf("@") + 1);
  const host = /^\[([0-9a-f:.]+)\](?::\d+)?$/i.exec(place)?.[1] ?? /^([a-z0-9._-]+)(?::\d+)?$/i.exec(place)?.[1];
  return host?.toLowerCase();
}

const kindOf = (address: string): "ipv4" | "ipv6" => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** Whether an address lies in a range; an IPv4 address inside an IPv6 one counts as itself. */
export function inRange(address: string, range: string): boolean {
  const [net = "", bits] = range.split("/");
  const max = isIP(net) === 6 ? 128 : 32;
  const length = Number(bits ?? max);
  if (isIP(net) === 0 || !(length >= 0 && length <= max)) return false;
  const list = new BlockList();
  list.addSubnet(net, length, kindOf(net));
  return list.check(address, kindOf(address));
}

/** Loopback, unspecified and link-local addresses, and those at which clouds tell a machine its secrets. */
const internal = new BlockList();
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["100.100.100.200", 32],
  ["192.0.0.192", 32],
  ["168.63.129.16", 32],
  ["255.255.255.255", 32],
] as const) {
  internal.addSubnet(net, bits, "ipv4");
}
for (const [net, bits] of [
  // Unspecified, loopback, and IPv4 addresses in the oldest spelling.
  ["::", 96],
  ["fe80::", 10],
  ["fec0::", 10],
  ["fd00:ec2::", 32],
  // IPv4 of loopback and link-local behind NAT64 and 6to4.
  ["64:ff9b::7f00:0", 104],
  ["64:ff9b::a9fe:0", 112],
  ["2002:7f00::", 24],
  ["2002:a9fe::", 32],
] as const) {
  internal.addSubnet(net, bits, "ipv6");
}

/** Whether an address is of this machine itself, or one that none but this machine should ask. */
export function isInternal(address: string): boolean {
  if (internal.check(address, kindOf(address))) return true;
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return own.some((one) => inRange(address, one.address.replace(/%.*$/, "")));
}

const MULTICAST = ["224.0.0.0/4", "ff00::/8"];
export const isMulticast = (host: string): boolean =>
  isIP(host) !== 0 && MULTICAST.some((range) => inRange(host, range));

/** Every address of a host, none where it has no such name now. Numbers are read in all ways in which ffmpeg reads them. */
export async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await lookup(host, { all: true, verbatim: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.syscall === "getaddrinfo") return [];
    throw error;
  });
  return found.map(({ address }) => address.replace(/%.*$/, ""));
}
