/** Cells of a text of comma or semicolon separated values, line by line; blank lines are left out. Lines end in LF or CRLF. */
export function readCsv(text: string): { line: number; cells: string[] }[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const separator = lines[0]!.includes(",")
    ? ","
    : lines[0]!.includes(";")
      ? ";"
      : lines[0]!.includes("\t")
        ? "\t"
        : ",";
  const cell = new RegExp(`(?:^|${separator})\\s*(?:"((?:[^"]|"")*)"|([^${separator}]*))`, "g");
  return lines.flatMap((line, k) =>
    line.trim() === ""
      ? []
      : [
          {
            line: k + 1,
            cells: [...line.matchAll(cell)].map(([, quoted, plain]) =>
              quoted === undefined ? plain!.trim() : quoted.replaceAll('""', '"'),
            ),
          },
        ],
  );
}
