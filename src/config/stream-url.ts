/** What a stream can be pushed to; anything else is a folder for HLS. */
const SCHEMES = ["rtsp", "rtsps", "rtmp", "rtmps", "srt"];
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;
const PLACEHOLDER = /\{([^{}]*)\}/g;
const PLACEHOLDERS = ["station", "source"];

/** `scheme` of an address, in small letters; undefined of a folder. */
export const schemeOf = (url: string): string | undefined => SCHEME.exec(url)?.[1]?.toLowerCase();

/** What is wrong with where a `stream` sink shall push to, as what is said of the key; undefined when nothing is. */
function urlFault(url: string, sources: readonly string[] | undefined): string | undefined {
  const scheme = schemeOf(url);
  if (scheme !== undefined && !SCHEMES.includes(scheme)) {
    return `begins with ${scheme}://; use one of ${SCHEMES.map((known) => `${known}://`).join(", ")}, or a folder for HLS`;
  }
  if (scheme !== undefined && !/^[a-z]+:\/\/(?:[^/@\s]*@)?[^/:@?\s]/i.test(url)) return "names no host";
  for (const [, name] of url.matchAll(PLACEHOLDER)) {
    if (!PLACEHOLDERS.includes(name!)) return `holds {${name}}; only {station} and {source} are filled in`;
  }
  if (!url.includes("{source}") && sources?.length !== 1) {
    return "must hold {source}, since each source has a stream of its own; or name a single one in `sources`";
  }
  return undefined;
}

/**
 * What a `stream` sink contradicts, each of its keys being valid: a key, and what is said of it. `known`: the names of all sources that there
 * can be; `written`: the keys that were given.
 */
export function streamFaults(
  { url, sources }: { url: string; sources?: readonly string[] },
  known: readonly string[] | undefined,
  written: readonly string[],
): { key: string; text: string }[] {
  const unknown = known && sources?.find((name) => !known.includes(name));
  const fault = urlFault(url, sources);
  const idle = schemeOf(url) === undefined ? [] : ["hls", "mode"].filter((key) => written.includes(key));
  return [
    ...(unknown === undefined ? [] : [{ key: "sources", text: `names ${unknown}, which is no source` }]),
    ...(fault === undefined ? [] : [{ key: "url", text: fault }]),
    ...idle.map((key) => ({ key, text: "is for HLS, and url is no folder; leave it out" })),
  ];
}

/** The address of one source's stream. */
export const streamUrlOf = (url: string, station: string, source: string): string =>
  url.replaceAll("{station}", station).replaceAll("{source}", source);
