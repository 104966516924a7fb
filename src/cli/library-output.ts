import { redact } from "../redact.js";

/** The first words that a library writes to the console, a sentence of its own; what follows is data and stacks. */
const firstWords = (what: unknown): string =>
  typeof what === "string"
    ? (/^[\x20-\x7e]{0,200}/.exec(redact(what.slice(0, MAX_CHARACTERS_READ)))?.[0] ?? "")
    : typeof what;
const MAX_CHARACTERS_READ = 20_000;

/**
 * What libraries say of their own accord goes to `say` from now on, and not among the results on the standard output. What
 * they quote may be anybody's words.
 */
export function hearLibraries(say: (text: string) => void): void {
  const hear = (what: unknown): void => say(`a library says: ${firstWords(what)}`);
  Object.assign(console, { log: hear, info: hear, debug: hear });
}
