/** A text of at most `max` characters; an ellipsis at its end says that something was cut off. */
export const truncate = (text: string, max: number): string =>
  text.length > max ? `${text.slice(0, max - 1)}…` : text;

/** A text of at most `max` characters that keeps both ends, where paths and names differ and sentences say what to do. */
export const truncateMiddle = (text: string, max: number): string =>
  text.length > max
    ? `${text.slice(0, Math.ceil((max - 1) / 2))}…${text.slice(text.length - Math.floor((max - 1) / 2))}`
    : text;

/** Names as a sentence lists them: the first few, and how many more there are. */
export function listed(names: readonly string[], max = 3): string {
  const shown = names.slice(0, max).map((name) => truncateMiddle(name, 60));
  return names.length > max ? `${shown.join(", ")} and ${names.length - max} more` : shown.join(", ");
}
