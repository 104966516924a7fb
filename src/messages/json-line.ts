const NEWLINE = 10;

/** A JSON document as one line without its end; a document laid out over several lines is set in one. */
export function jsonLine(body: Uint8Array): string {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  return body.includes(NEWLINE) ? JSON.stringify(JSON.parse(text)) : text;
}
