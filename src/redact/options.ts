import { addressSecrets, MASK } from "./address.js";
import { FLAG_OPTIONS, OPEN_HEADERS, OPEN_OPTIONS } from "./names.js";

/** An option of ffmpeg's and its value, as places in the list that the configuration writes: both in one entry, or each in its own. */
interface Option {
  name: string;
  value?: string;
  /** Writes the entry or entries with another value. */
  write(value: string): string[];
}

function optionsOf(list: readonly string[]): Option[] {
  const found: Option[] = [];
  for (let i = 0; i < list.length; i++) {
    const entry = list[i]!;
    const space = entry.search(/\s/);
    const word = space > 0 ? entry.slice(0, space) : entry;
    const name = word.replace(/^-+/, "").replace(/:.*$/s, "").toLowerCase();
    // What is at the place of an option and is none may be a value that has lost its own.
    if (!entry.startsWith("-")) found.push({ name: "", value: entry, write: (value) => [value] });
    else if (space > 0)
      found.push({ name, value: entry.slice(space + 1).trim(), write: (value) => [`${word} ${value}`] });
    else if (FLAG_OPTIONS.has(name) || i + 1 >= list.length) found.push({ name, write: () => [entry] });
    else {
      i++;
      found.push({ name, value: list[i]!, write: (value) => [entry, value] });
    }
  }
  return found;
}

/** Options as they may be shown: values only of those that are known to hold no secret, and no address's secrets in these. */
export const redactOptions = (list: readonly string[], redact: (text: string) => string): string[] =>
  optionsOf(list).flatMap(({ name, value, write }) =>
    write(value === undefined ? "" : OPEN_OPTIONS.has(name) ? redact(value) : MASK),
  );

const behind = (sign: string) => (text: string) => text.slice(text.indexOf(sign) + 1).trim();

/** What among the values of options is secret wherever it comes. */
export function optionSecrets(list: readonly string[]): string[] {
  return optionsOf(list).flatMap(({ name, value = "" }) => {
    if (OPEN_OPTIONS.has(name)) return addressSecrets(value);
    if (name === "cookies") return value.split(/[;\n]/).map(behind("="));
    if (name === "headers") return value.split(/(?:\r|\n|\\r|\\n)+/).flatMap(headerSecrets);
    // Of an address not the host.
    if (value.includes("://")) return addressSecrets(value);
    // `S:text` of RTMP, `key=value` of forms.
    return [value, ...value.split(/[\s:;,=&]+/).filter((part) => part.length >= 6 && /\d/.test(part))];
  });
}

function headerSecrets(header: string): string[] {
  if (OPEN_HEADERS.test(header.trim())) return [];
  const value = behind(":")(header);
  const bare = value.replace(/^(?:basic|bearer|digest|token)\s+/i, "");
  const decoded =
    /^[A-Za-z0-9+/]{6,}={0,2}$/.test(bare) && /^basic/i.test(value) ? Buffer.from(bare, "base64").toString() : "";
  return [bare, ...(decoded.includes(":") ? [behind(":")(decoded)] : [])];
}
