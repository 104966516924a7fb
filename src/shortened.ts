/** A text of at most so many characters; the last one tells that something was cut off. */
export const shortened = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;
