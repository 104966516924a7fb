/** A sentence of at most so many characters: its begin says what is wrong, its end what to do. */
export function withoutMiddle(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = Math.floor(most / 3);
  return `${text.slice(0, most - end - 3)} … ${text.slice(text.length - end)}`;
}

/** A text of at most so many characters; the last one tells that something was cut off. */
export const shortened = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;
