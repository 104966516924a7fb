const MASK = "***";
const NAMES =
  "password|passwd|passphrase|passwort|pwd|pass|user|username|usr|login|access_token|auth_token|token|api[_-]?key|apikey|access_key|secret[_-]?key|key|secret|signature|sig|auth|authorization|credential|credentials";

/** `user:password@` of an address. The password may hold `@`, `/`, `?` or `#` though it should be percent-encoded; a port is none. */
const USER_AND_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/)(?![^\s:@/?#]*:\d{1,5}(?:[/?#"'\s]|$))[^\s:@/?#"'<>]*:[^\s"'<>]*@/gi;
const USER = /([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'<>]*@/gi;
const PARAMETER = new RegExp(`\\b((?:[a-z0-9]+[_-])*(?:${NAMES}))=[^\\s&;"'<>#]+?(?=:\\s|[\\s&;"'<>#]|$)`, "gi");
const HEADER =
  /\b((?:proxy-)?authorization|x-api-key|cookie)(\s*:\s*)((?:basic|bearer|digest|token)\s+)?([^\r\n"']+)/gi;
/** Of NATS: `SU` and 56 more characters for a user, other second letters for accounts and the rest. */
const NKEY_SEED = /\bS[ACNOUX][A-Z2-7]{56}\b/g;

/** Replaces what may be a credential in any text: `user:password@` in addresses, secret parameters, authorization headers, seeds of nkeys. */
export function maskCredentials(text: string): string {
  return text
    .replace(USER_AND_PASSWORD, `$1${MASK}@`)
    .replace(USER, `$1${MASK}@`)
    .replace(PARAMETER, `$1=${MASK}`)
    .replace(HEADER, (_all, name: string, colon: string, scheme = "") => `${name}${colon}${scheme}${MASK}`)
    .replace(NKEY_SEED, MASK);
}

/**
 * A masking function that also hides the user's own secrets of `texts` (addresses, options) wherever they appear alone,
 * raw or percent-decoded. Secrets of fewer than four characters are hidden only where their place gives them away.
 */
export function masker(...texts: readonly string[]): (text: string) => string {
  const secrets = [...new Set(texts.flatMap(secretsOf))]
    .filter((s) => s.length >= 4)
    .sort((a, b) => b.length - a.length);
  return (text) => secrets.reduce((masked, secret) => masked.replaceAll(secret, MASK), maskCredentials(text));
}

function secretsOf(text: string): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(/[a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*:(\S*)@/gi)) found.push(match[1]!);
  for (const match of text.matchAll(PARAMETER)) found.push(match[0].slice(match[0].indexOf("=") + 1));
  for (const match of text.matchAll(HEADER)) found.push(match[4]!.trim());
  return found.flatMap((secret) => [secret, decoded(secret)]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
