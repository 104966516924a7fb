/** A sentence of at most so many characters: its begin says what is wrong, its end what to do. */
export function withoutMiddle(text: string, max: number): string {
  if (text.length <= max) return text;
  const end = Math.floor(max / 3);
  return `${text.slice(0, max - end - 3)} … ${text.slice(text.length - end)}`;
}

/** A text of at most so many characters; the last one tells that something was cut off. */
export const shortened = (text: string, max: number): string =>
  text.length > max ? `${text.slice(0, max - 1)}…` : text;

/** A text of at most so many characters that keeps both ends: paths and names of nodes differ in either. */
export const shortenedInside = (text: string, max: number): string =>
  text.length > max
    ? `${text.slice(0, Math.ceil((max - 1) / 2))}…${text.slice(text.length - Math.floor((max - 1) / 2))}`
    : text;

/** Names as a sentence lists them: the first few, and how many more there are. */
export function listed(names: readonly string[], max = 3): string {
  const shown = names.slice(0, max).map((name) => shortenedInside(name, 60));
  return names.length > max ? `${shown.join(", ")} and ${names.length - max} more` : shown.join(", ");
}
