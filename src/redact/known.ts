import { percentDecoded } from "../percent-decoded.js";
import { MASK } from "./address.js";
import { COMMON } from "./names.js";

/** Shorter ones would be found in every word: they are hidden only where their place gives them away. */
const MIN_CHARACTERS = 4;
/** Shorter ones are hidden where they stand alone, not within a longer word or number. */
const ANYWHERE = 8;
/** So many are remembered of sources that come and go. */
const MAX_SECRETS = 50_000;

/** Longer ones are looked for in fewer ways, and what nobody has as a password as it is. */
const LONG = 512;
const MAX_CHARACTERS = 16_384;

/** Whether it is hidden wherever it comes: not what is short, or a word that our own sentences use. */
const isTelling = (secret: string): boolean =>
  secret.trim().length >= MIN_CHARACTERS && !COMMON.has(secret.toLowerCase()) && !/^\*+$/.test(secret);

/** The ways in which a program may write a secret. */
function written(secret: string): string[] {
  if (secret.length > MAX_CHARACTERS) return [secret];
  // As it stands in the address, and as it is meant; half a surrogate pair cannot be encoded.
  const meant = percentDecoded(secret);
  const plain = [...new Set([secret, meant, percentDecoded(meant)])].map((text) => Buffer.from(text).toString());
  return [secret, ...plain.flatMap(formsOf)];
}

function formsOf(plain: string): string[] {
  const encoded = encodeURIComponent(plain);
  if (plain.length > LONG) return [plain, encoded];
  const lines = plain.split(/[\p{Cc}\u2028\u2029]+/u);
  return [
    plain,
    encoded,
    encoded.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    encoded.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`),
    encoded.replaceAll("%20", "+"),
    encodeURI(plain),
    asUrl(plain),
    JSON.stringify(plain).slice(1, -1),
    plain.replace(/[\\']/g, "\\$&"),
    plain.replaceAll(/\s+/gu, " "),
    Buffer.from(plain).toString("base64").replace(/=+$/, ""),
    ...(lines.length > 1 ? lines : []),
  ];
}

/** As URL writes a password. */
function asUrl(plain: string): string {
  const url = new URL("http://h/");
  url.password = plain;
  return url.password;
}

const isWordCharacter = (character: string | undefined): boolean =>
  character !== undefined && /[\p{L}\p{N}]/u.test(character);

/** Secrets that are known as such. However many begin alike, a text is looked through once. */
export class KnownSecrets {
  /** By first characters, how many there are of each length. */
  readonly #lengths = new Map<string, Map<number, number>>();
  /** Whether each is kept for good; of the rest the oldest are forgotten first. */
  readonly #kept = new Map<string, boolean>();
  #forgettable = 0;

  /** `keep`: not to be forgotten, however many come. */
  learn(secrets: readonly string[], keep: boolean): void {
    for (const secret of secrets) {
      if (!isTelling(secret) || (this.#kept.has(secret) && !keep)) continue;
      for (const text of written(secret)) if (isTelling(text)) this.#add(text, keep);
    }
  }

  #add(text: string, keep: boolean): void {
    const before = this.#kept.get(text);
    if (before === true || before === keep) return;
    this.#kept.set(text, keep);
    if (before === undefined) this.#count(text, 1);
    if (before === false) this.#forgettable--;
    if (!keep && ++this.#forgettable > MAX_SECRETS) this.#forget();
  }

  #count(text: string, by: number): void {
    const start = text.slice(0, MIN_CHARACTERS);
    const counts = this.#lengths.get(start) ?? new Map<number, number>();
    const count = (counts.get(text.length) ?? 0) + by;
    if (count > 0) counts.set(text.length, count);
    else counts.delete(text.length);
    if (counts.size > 0) this.#lengths.set(start, counts);
    else this.#lengths.delete(start);
  }

  #forget(): void {
    for (const [text, keep] of this.#kept) {
      if (keep) continue;
      this.#kept.delete(text);
      this.#count(text, -1);
      if (--this.#forgettable <= MAX_SECRETS / 2) return;
    }
  }

  /** The text with each of them masked. */
  mask(text: string): string {
    if (this.#kept.size === 0) return text;
    let masked = "";
    let done = 0;
    for (let i = 0; i + MIN_CHARACTERS <= text.length; i++) {
      const length = this.#longestAt(text, i);
      if (length === undefined) continue;
      masked += text.slice(done, i) + MASK;
      done = i + length;
      i = done - 1;
    }
    return done === 0 ? text : masked + text.slice(done);
  }

  #longestAt(text: string, at: number): number | undefined {
    const counts = this.#lengths.get(text.slice(at, at + MIN_CHARACTERS));
    if (counts === undefined) return undefined;
    const lengths = [...counts.keys()].sort((a, b) => b - a);
    return lengths.find((length) => this.#kept.has(text.slice(at, at + length)) && standsFor(text, at, length));
  }
}

/** Whether what stands there may be the secret, and not part of a word. */
function standsFor(text: string, at: number, length: number): boolean {
  if (length >= ANYWHERE) return true;
  const end = at + length;
  const glued = (k: number): boolean => isWordCharacter(text[k - 1]) && isWordCharacter(text[k]);
  return !glued(at) && !glued(end);
}
