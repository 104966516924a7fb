/**
 * Keeps secrets out of all that is written: logs, states, reasons, answers, pages, errors.
 *
 * Three ways, always all of them: what is known as a secret, since it was taken from the structure of a configured address, option or key,
 * is masked wherever it comes, in the ways a program may write it; addresses in a text are taken apart and their secrets masked by
 * place; and so are named values, headers, seeds and tokens. A known secret of fewer than four characters, or one that is a common
 * word, is masked by place only: else no sentence could be read, and each mask would tell the word.
 */
import { addressSecrets, MASK, redactAddress } from "./redact/address.js";
import { KnownSecrets } from "./redact/known.js";
import { isSecretKey, isSecretName, isWho } from "./redact/names.js";
import { optionSecrets, redactOptions } from "./redact/options.js";

export { hasOpenLogin, MASK } from "./redact/address.js";
export { isSecretKey, isSecretName } from "./redact/names.js";

// No text takes longer than its length lets it: each pattern begins only where a run of its signs begins.
const ADDRESS = /(?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/[^\s"'<>]*/gi;
/** What ends a sentence, or a part of one, and not the address in it. */
const BEHIND_ADDRESS = /[:.,;!)\]}]+$/;
const PARAMETER = /(?<![a-z0-9_-])([a-z0-9_-]+)=[^\s&;"'<>#]+?(?=:\s|[\s&;"'<>#]|$)/gi;
const QUOTED = /(?<![a-z0-9_-])([a-z0-9_-]+)(["']?:\s{0,4})(?:"[^"\r\n]*"|'[^'\r\n]*')/gi;
const HEADER =
  /\b((?:proxy-)?authorization|x-api-key|x-auth-token|(?:set-)?cookie)(\s*:\s*)((?:basic|bearer|digest|token)\s+)?([^\r\n"']+)/gi;
/** Of NATS: `SU` and 56 more characters for a user, other second letters for accounts and the rest. */
const NKEY_SEED = /\bS[ACNOUX][A-Z2-7]{56}\b/g;
const JWT = /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*/g;

/** Masks what may be a secret in any text. Masking what is masked changes nothing. */
export const redact = (text: string): string => byPlace(known.mask(text));

const known = new KnownSecrets();

/**
 * From now on the secrets of this data (a configuration, a source, words of a command line) are masked in every text of this thread.
 * `keep`: for good; else the oldest are forgotten once very many have come.
 */
export function learnSecrets(data: unknown, keep = false): void {
  known.learn(secretsIn(data), keep);
}

/** Masks by what a text itself gives away. */
function byPlace(text: string): string {
  return text
    .replace(ADDRESS, (run) => {
      const end = BEHIND_ADDRESS.exec(run)?.[0] ?? "";
      return redactAddress(run.slice(0, run.length - end.length)) + end;
    })
    .replace(PARAMETER, (all, name: string) => (isSecretName(name) ? `${name}=${MASK}` : all))
    .replace(QUOTED, (all, name: string, colon: string) => (isSecretName(name) ? `${name}${colon}"${MASK}"` : all))
    .replace(HEADER, (_all, name: string, colon: string, scheme = "") => `${name}${colon}${scheme}${MASK}`)
    .replace(NKEY_SEED, MASK)
    .replace(JWT, MASK);
}

/** A text that is an address as a whole, blanks and quotes in its password included. */
export const redactWhole = (address: string): string => redact(redactAddress(address));

/** Of NATS, whose addresses may come without a scheme. */
const SERVERS = "servers";

/** A copy of plain data, such as a configuration, with every secret masked: by its key, in addresses, after options. */
export function redactData(value: unknown, key = ""): unknown {
  if (typeof value === "string") {
    const isBare = key === SERVERS && !value.includes("://");
    return isBare ? redactWhole(`nats://${value}`).slice("nats://".length) : redactWhole(value);
  }
  if (Array.isArray(value)) {
    const isOptions = key === "inputOptions" && value.every((item) => typeof item === "string");
    return isOptions ? redactOptions(value as string[], redact) : value.map((item) => redactData(item, key));
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, item]) =>
    isSecretKey(name) && item !== undefined && item !== null ? [name, MASK] : [name, redactData(item, name)],
  );
  return Object.fromEntries(entries);
}

/** Every secret that plain data holds, by its key, in addresses, after options. */
export function secretsIn(value: unknown, key = ""): string[] {
  if (typeof value === "number") return secretsIn(String(value), key);
  if (typeof value === "string") {
    if (isSecretKey(key)) return key === "credentials" || isWho(key) ? [] : [value];
    if (value.includes("://")) return addressSecrets(value);
    return key === SERVERS ? addressSecrets(`nats://${value}`) : [];
  }
  if (Array.isArray(value)) {
    const isOptions = key === "inputOptions" && value.every((item) => typeof item === "string");
    return isOptions ? optionSecrets(value as string[]) : value.flatMap((item) => secretsIn(item, key));
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => secretsIn(item, name));
}
