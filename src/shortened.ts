/** A sentence of at most so many characters: its begin says what is wrong, its end what to do. */
export function withoutMiddle(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = Math.floor(most / 3);
  return `${text.slice(0, most - end - 3)} … ${text.slice(text.length - end)}`;
}

/** A text of at most so many characters; the last one tells that something was cut off. */
export const shortened = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;

/** A text of at most so many characters that keeps both ends: paths and names of nodes differ in either. */
export const shortenedInside = (text: string, most: number): string =>
  text.length > most
    ? `${text.slice(0, Math.ceil((most - 1) / 2))}…${text.slice(text.length - Math.floor((most - 1) / 2))}`
    : text;

/** Names as a sentence lists them: the first few, and how many more there are. */
export function listed(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most).map((name) => shortenedInside(name, 60));
  return names.length > most ? `${shown.join(", ")} and ${names.length - most} more` : shown.join(", ");
}
