/** Lines of a table, columns as wide as their widest cell and aligned left, or right where `isRight` says so. */
export function alignedRows(rows: readonly (readonly string[])[], isRight: (column: number) => boolean): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)));
  return rows.map((row) =>
    row
      .map((cell, c) => (isRight(c) ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)))
      .join("  ")
      .trimEnd(),
  );
}
