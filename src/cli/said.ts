/** The first words that a library writes to the console, a sentence of its own; what follows is data and stacks. */
export const said = (what: unknown): string =>
  typeof what === "string" ? (/^[\x20-\x7e]{0,200}/.exec(what)?.[0] ?? "") : typeof what;
