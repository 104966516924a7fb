import { percentDecoded } from "../percent-decoded.js";

const MASK = "***";
const NAMES =
  "password|passwd|passphrase|passwort|pwd|pass|user|username|usr|login|access_token|auth_token|token|api[_-]?key|apikey|access_key|secret[_-]?key|key|secret|signature|sig|auth|authorization|credential|credentials|streamid|jwt|session|sessionid|ticket|hdnts|hdnea|hmac|psk";

// No text takes longer than its length lets it: each begins only where a run of its signs begins, and addresses are
// looked for only where an `@` comes.
/** As far as the last `@` before a space, quote or bracket. */
const BEFORE_AT = /(?<![^\s"'<>])[^\s"'<>]*@/g;
/** `user:password@` of an address. The password may hold `@`, `/`, `?` or `#` though it should be percent-encoded; a port is none. */
const USER_AND_PASSWORD =
  /((?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/)(?![^\s:@/?#]*:\d{1,5}(?:[/?#"'\s]|$))[^\s:@/?#"'<>]*:[^\s"'<>]*@/gi;
const USER = /((?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/)[^\s/?#"'<>]*@/gi;
const PARAMETER = new RegExp(
  `(?<![a-z0-9_-])((?:[a-z0-9_-]*[_-])?(?:${NAMES}))=[^\\s&;"'<>#]+?(?=:\\s|[\\s&;"'<>#]|$)`,
  "gi",
);
const HEADER =
  /\b((?:proxy-)?authorization|x-api-key|cookie)(\s*:\s*)((?:basic|bearer|digest|token)\s+)?([^\r\n"']+)/gi;
/** Of NATS: `SU` and 56 more characters for a user, other second letters for accounts and the rest. */
const NKEY_SEED = /\bS[ACNOUX][A-Z2-7]{56}\b/g;

/** Replaces what may be a credential in any text: `user:password@` in addresses, secret parameters, authorization headers, seeds of nkeys. */
export function maskCredentials(text: string): string {
  return text
    .replace(BEFORE_AT, (run) => run.replace(USER_AND_PASSWORD, `$1${MASK}@`).replace(USER, `$1${MASK}@`))
    .replace(PARAMETER, `$1=${MASK}`)
    .replace(HEADER, (_all, name: string, colon: string, scheme = "") => `${name}${colon}${scheme}${MASK}`)
    .replace(NKEY_SEED, MASK);
}

/**
 * A masking function that also hides the user's own secrets of `texts` (addresses, options) wherever they appear alone,
 * raw or percent-decoded. Secrets of fewer than four characters are hidden only where their place gives them away.
 */
export function masker(...texts: readonly string[]): (text: string) => string {
  return maskerOf(texts, []);
}

/** Like `masker`, with secrets that are known as such. */
export function maskerOf(texts: readonly string[], known: readonly string[]): (text: string) => string {
  const secrets = [...new Set([...texts.flatMap(secretsOf), ...known].flatMap(written))]
    .filter((s) => s.length >= 4)
    .sort((a, b) => b.length - a.length);
  return (text) => maskCredentials(secrets.reduce((masked, secret) => masked.replaceAll(secret, MASK), text));
}

const SECRET_OPTION = new RegExp(`^-(?:[a-z0-9]+_)*(?:${NAMES})$`, "i");
/** Headers that are no secrets. */
const OPEN_HEADERS = /^(?:accept|host|origin|range|referer|user-agent|content|connection|cache-control)/i;

/** Secrets among ffmpeg's options, each followed by its value: passwords and keys, headers, cookies. */
export function optionSecrets(options: readonly string[]): string[] {
  return options.flatMap((option, i) => {
    const value = options[i + 1] ?? "";
    if (SECRET_OPTION.test(option)) return [value];
    if (option === "-cookies") return value.split(/[;\n]/).map(behind("="));
    if (option !== "-headers") return [];
    const headers = value.split(/(?:\r|\n|\\r|\\n)+/).filter((header) => !OPEN_HEADERS.test(header.trim()));
    return headers.map((header) => behind(":")(header).replace(/^(?:basic|bearer|digest|token)\s+/i, ""));
  });
}

const behind = (sign: string) => (text: string) => text.slice(text.indexOf(sign) + 1).trim();

/** The ways in which a program may write a secret. */
function written(secret: string): string[] {
  const plain = percentDecoded(secret);
  const encoded = encodeURIComponent(plain);
  const small = encoded.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  return [secret, plain, encoded, small, encodeURI(plain), encoded.replaceAll("%20", "+")];
}

/** Of a password with more of them the first and the last places where it may end are taken. */
const MOST_ENDS = 16;

/** Where the password ends is not sure when it holds an `@`. */
function passwords(rest: string): string[] {
  const ends = [...rest.matchAll(/@|$/g)].map(({ index }) => index);
  const likely = ends.length > MOST_ENDS ? [...ends.slice(0, MOST_ENDS / 2), ...ends.slice(-MOST_ENDS / 2)] : ends;
  return likely.map((end) => rest.slice(0, end));
}

const USER_AND_REST = /(?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/([^\s:@/?#]*):(\S*)@/i;

function secretsOf(text: string): string[] {
  const found: string[] = [];
  for (const [run] of text.matchAll(/(?<!\S)\S*@/g)) {
    const [, user, rest] = USER_AND_REST.exec(run) ?? [];
    for (const password of rest === undefined ? [] : passwords(rest)) {
      found.push(password, Buffer.from(`${percentDecoded(user!)}:${percentDecoded(password)}`).toString("base64"));
    }
  }
  const query = /\s/.test(text) ? "" : text.slice(text.indexOf("?") + 1 || text.length);
  for (const [, name, value] of query.matchAll(/(?:^|&)([^=&]+)=([^&]*)/g)) {
    if (SECRET_OPTION.test(`-${name!.replaceAll("-", "_")}`)) found.push(value!);
  }
  for (const match of text.matchAll(PARAMETER)) found.push(match[0].slice(match[0].indexOf("=") + 1));
  for (const match of text.matchAll(HEADER)) found.push(match[4]!.trim());
  return found;
}
