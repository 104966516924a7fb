/** Characters of the first row that tell its separator. */
const MAX_ROW = 2 ** 16;

export interface CsvRow {
  /** On which it begins, from 1. */
  line: number;
  cells: string[];
}

/**
 * Rows of a text of values separated by comma, semicolon or tab (RFC 4180): cells may stand in quotes, and then hold anything. What is
 * not in quotes loses the blanks around it. Rows end in LF, CRLF or CR; blank ones are left out.
 */
export function* readCsv(text: string): Generator<CsvRow> {
  const isBreak = (at: number): boolean => text[at] === "\n" || text[at] === "\r";
  const separator = separatorOf(text);
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  let line = 1;
  /** One cell, up to what ends it. */
  const cell = (): string => {
    while (text[at] === " ") at++;
    let quoted: string | undefined;
    while (text[at] === '"') {
      const end = text.indexOf('"', at + 1);
      const inner = text.slice(at + 1, end < 0 ? text.length : end);
      line += inner.match(/\r\n|\n|\r/g)?.length ?? 0;
      quoted = quoted === undefined ? inner : `${quoted}"${inner}`;
      at = end < 0 ? text.length : end + 1;
    }
    const from = at;
    while (at < text.length && text[at] !== separator && !isBreak(at)) at++;
    return quoted === undefined ? text.slice(from, at).trim() : quoted + text.slice(from, at).trim();
  };
  while (at < text.length) {
    const row: CsvRow = { line, cells: [cell()] };
    while (at < text.length && text[at] === separator) {
      at++;
      row.cells.push(cell());
    }
    at += text.startsWith("\r\n", at) ? 2 : 1;
    line++;
    if (row.cells.length > 1 || row.cells[0] !== "") yield row;
  }
}

/** The one of the first row that stands outside quotes. */
function separatorOf(text: string): string {
  const plain = text.slice(0, MAX_ROW).replaceAll(/"[^"]*"?/g, "");
  const first = plain.split(/[\r\n]/).find((row) => row.trim() !== "") ?? "";
  return [",", ";", "\t"].find((each) => first.includes(each)) ?? ",";
}
