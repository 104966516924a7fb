import { percentDecoded } from "../percent-decoded.js";
import { COMMON, isSecretParameter, isWho, OPEN_PARAMETERS, OPEN_VALUE } from "./names.js";

/** What stands where a secret was. */
export const MASK = "***";

/** A piece of an address as it stands there. */
interface Piece {
  text: string;
  /** Undefined: shown. `who` is hidden here, and may be shown elsewhere. */
  hidden?: "secret" | "who";
}

const shown = (text: string): Piece => ({ text });
const SCHEME = /^[a-z0-9][a-z0-9+.-]*:\/\//i;
const RTMP = /^rtmp\w*:/i;
/** An address of a host, as it follows a login. */
const HOST = /^(?:\[[0-9a-f:.]+\]|localhost|[^\s/?#:@]+\.[^\s/?#:@]+|[^\s/?#:@]+(?=:\d))(?::\d+)?(?:[/?#]|$)/i;
/** A host, with a port or an address of IPv6, and no begin of a login. */
const PORT = /^(?:[^:]*:\d{1,5}|\[[^\]]*\](?::\d{1,5})?)$/;

/**
 * Where the login of an address ends, the index of its `@` behind the scheme; -1 where there is none. ffmpeg and the rest take the last
 * `@` before the first `/`, `?` or `#`; a password that holds these unencoded goes on to a later one.
 */
function loginEnd(body: string): number {
  const end = /[/?#]|$/.exec(body)!.index;
  const last = body.lastIndexOf("@");
  const within = body.lastIndexOf("@", end - 1);
  if (last < 0 || end === 0) return -1;
  const authority = body.slice(0, end);
  if (within >= 0) return authority.slice(0, within).includes(":") ? last : within;
  if (!authority.includes(":")) return -1;
  if (!PORT.test(authority)) return last;
  // A port and a path that holds an `@`, or a password that begins with digits?
  const inPath = body.slice(0, end + /[?#]|$/.exec(body.slice(end))!.index).lastIndexOf("@");
  return inPath > 0 && body[inPath - 1] !== "/" && HOST.test(body.slice(inPath + 1)) ? inPath : -1;
}

/** The same for who encodes what belongs to no host. */
const plainLoginEnd = (body: string): number => body.lastIndexOf("@", /[/?#]|$/.exec(body)!.index - 1);

/** Whether a login goes on behind a `/`, `?` or `#`, which ends the address's host for everybody who reads it. */
export function hasOpenLogin(address: string): boolean {
  const scheme = SCHEME.exec(address)?.[0];
  if (scheme === undefined || /^file:/i.test(scheme)) return false;
  const body = address.slice(scheme.length);
  const end = /[/?#]|$/.exec(body)!.index;
  const authority = body.slice(0, end);
  return !authority.includes("@") && !PORT.test(authority) && loginEnd(body) > end;
}

const PART = /[A-Za-z0-9]+/g;
/** Shorter ones are names more often than secrets. */
const RANDOM = 16;

/** Long, and neither a word nor a number: what a machine made up, as the paths of cloud cameras and signed addresses are. */
function isMadeUp(text: string): boolean {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i.test(text)) return true;
  return (text.match(PART) ?? []).some((part) => {
    if (part.length < RANDOM || /^\d+$/.test(part)) return false;
    if (/^[0-9a-f]+$/i.test(part) && /\d/.test(part)) return true;
    const turns = part.match(/[a-z](?=[^a-z])|[A-Z](?=[^A-Z])|\d(?=\D)/g)?.length ?? 0;
    return turns > 0.35 * part.length;
  });
}

function parameter(text: string): Piece[] {
  const equals = text.indexOf("=");
  if (equals < 0) return [isMadeUp(text) ? { text, hidden: "secret" } : shown(text)];
  const [name, value] = [percentDecoded(text.slice(0, equals)), text.slice(equals + 1)];
  const piece = (hidden?: Piece["hidden"]): Piece[] => [shown(text.slice(0, equals + 1)), { text: value, hidden }];
  if (value === "") return [shown(text)];
  if (isSecretParameter(name)) return piece(isWho(name) ? "who" : "secret");
  if (OPEN_VALUE.test(value)) return piece();
  return piece(OPEN_PARAMETERS.has(name.toLowerCase()) && !isMadeUp(value) ? undefined : "secret");
}

/** A `;` that no other parameter follows belongs to the value. */
const parameters = (text: string): Piece[] =>
  text.split(/(&|;(?=[\w.-]+=))/).flatMap((part, i) => (i % 2 === 1 ? [shown(part)] : parameter(part)));

/** Query and fragment. A `#` behind a secret was meant to be part of it. */
function queryPieces(query: string, fragment: string): Piece[] {
  const pieces = query === "" ? [] : [shown("?"), ...parameters(query.slice(1))];
  const last = pieces.at(-1);
  if (fragment === "") return pieces;
  if (last?.hidden) return [...pieces.slice(0, -1), { ...last, text: last.text + fragment }];
  return [...pieces, shown("#"), ...parameters(fragment.slice(1))];
}

function segment(text: string, before: string): Piece[] {
  if (/^[\w.-]+=/.test(text)) return parameters(text);
  const login = text.lastIndexOf("@");
  if (login > 0 && text.slice(0, login).includes(":"))
    return [{ text: text.slice(0, login), hidden: "secret" }, shown(text.slice(login))];
  const isNamedSecret =
    /^[a-z_-]{2,16}$/i.test(before) && !OPEN_VALUE.test(text) && isSecretParameter(before) && !isWho(before);
  return [isNamedSecret || isMadeUp(percentDecoded(text)) ? { text, hidden: "secret" } : shown(text)];
}

/** Shorter stream keys are names of cameras more often than secrets. */
const SHORT_KEY = 8;

function pathPieces(path: string, scheme: string): Piece[] {
  const parts = path.split("/");
  return parts.flatMap((part, i): Piece[] => {
    const slash = i === 0 ? [] : [shown("/")];
    if (part === "") return slash;
    // `/app/key`: who knows the last part may publish there.
    const isKey = RTMP.test(scheme) && (i > 1 || (parts.length === 2 && !COMMON.has(part)));
    if (isKey) return [...slash, { text: part, hidden: part.length < SHORT_KEY ? "who" : "secret" }];
    return [...slash, ...segment(part, parts[i - 1] ?? "")];
  });
}

/** An address in pieces; joined they are what was given. */
function piecesOf(address: string, endOf = loginEnd): Piece[] {
  const scheme = SCHEME.exec(address)?.[0];
  if (scheme === undefined) return [shown(address)];
  const body = address.slice(scheme.length);
  const at = endOf(body);
  const rest = body.slice(at + 1);
  const login: Piece[] =
    at > 0 ? [{ text: body.slice(0, at), hidden: "secret" }, shown("@")] : [shown(body.slice(0, at + 1))];
  const [, host, path, query, fragment] = /^([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(rest)!;
  const isFile = /^file:/i.test(scheme);
  return [
    shown(scheme),
    ...login,
    shown(host!),
    ...(isFile ? [shown(path!)] : pathPieces(path!, scheme)),
    ...queryPieces(query ?? "", fragment ?? ""),
  ];
}

/** An address with its login, its secret parameters and what in its path is one masked. */
export const redactAddress = (address: string): string =>
  piecesOf(address)
    .map(({ text, hidden }) => (hidden ? MASK : text))
    .join("");

/** Of a password with more of them the first and the last places where it may end are taken. */
const MAX_ENDS = 16;

/** Where the password ends is not sure when it holds an `@`. */
function passwords(rest: string): string[] {
  const ends = [...rest.matchAll(/@|$/g)].map(({ index }) => index);
  const likely = ends.length > MAX_ENDS ? [...ends.slice(0, MAX_ENDS / 2), ...ends.slice(-MAX_ENDS / 2)] : ends;
  return likely.map((end) => rest.slice(0, end));
}

/** Of a login `user:password`, or a token alone, all that is secret wherever it comes. */
function loginSecrets(login: string): string[] {
  const colon = login.indexOf(":");
  if (colon < 0) return [login];
  const user = percentDecoded(login.slice(0, colon));
  return passwords(login.slice(colon + 1)).flatMap((password) => [
    password,
    `${login.slice(0, colon)}:${password}`,
    Buffer.from(`${user}:${percentDecoded(password)}`).toString("base64"),
  ]);
}

/** Nobody takes a longer address. */
const MAX_CHARACTERS = 32_768;

/** What in an address, or several with commas between, is secret wherever it comes. */
export function addressSecrets(text: string): string[] {
  if (text.length > MAX_CHARACTERS) return [];
  const addresses = text.split(/,(?=[a-z][a-z0-9+.-]*:\/\/)/i);
  // Where a login goes on is not sure when an `@` comes behind the host.
  const readings = addresses.flatMap((address) => [
    piecesOf(address),
    ...(/^[^@]*$/.test(address) ? [] : [piecesOf(address, plainLoginEnd)]),
  ]);
  return readings.flatMap((pieces) =>
    pieces.flatMap(({ text: found, hidden }, i) => {
      if (hidden !== "secret") return [];
      return i === 1 ? loginSecrets(found) : [found];
    }),
  );
}
