const NEWLINE = 10;

/** A JSON document as one line without its end; a document laid out over several lines is set in one. */
export function jsonLine(body: Uint8Array): string {
  const text = new TextDecoder().decode(body);
  return body.includes(NEWLINE) ? JSON.stringify(JSON.parse(text)) : text;
}
