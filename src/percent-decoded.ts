/** A percent-encoded text in the clear. One that is not well encoded stays as it is: a lone % is a character like others. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
