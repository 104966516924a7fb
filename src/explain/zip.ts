import { inflateRawSync } from "node:zlib";

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
/** Of the comment that may follow the end. */
const MAX_COMMENT = 65_535;
const MAX_ENTRIES = 1000;
const [STORED, DEFLATED] = [0, 8];

/** A file in an archive. */
export interface ZipEntry {
  name: string;
  /** @throws where it is damaged, stored in an unknown way, or longer than `most` bytes */
  read(most: number): Uint8Array;
}

/**
 * The files of a zip archive that ends where `bytes` end; what stands before it is left alone, as zip allows. None where there
 * is no archive.
 * @throws RangeError where places lie outside of it
 */
export function zipEntries(bytes: Uint8Array): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOf(view);
  if (end === undefined) return [];
  const count = view.getUint16(end + 10, true);
  if (count > MAX_ENTRIES) throw new RangeError(`an archive of ${count} files`);
  const entries: ZipEntry[] = [];
  for (let k = 0, at = view.getUint32(end + 16, true); k < count; k++) {
    if (view.getUint32(at, true) !== ENTRY) throw new RangeError("no entry of an archive stands where one should");
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const name = new TextDecoder().decode(bytes.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + nameLength!));
    const place = at;
    entries.push({ name, read: (most) => contentOf(bytes, view, place, most) });
    at += ENTRY_BYTES + nameLength! + extra! + comment!;
  }
  return entries;
}

function endOf(view: DataView): number | undefined {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT); at--) if (view.getUint32(at, true) === END) return at;
  return undefined;
}

function contentOf(bytes: Uint8Array, view: DataView, entry: number, most: number): Uint8Array {
  const method = view.getUint16(entry + 10, true);
  const packed = view.getUint32(entry + 20, true);
  const header = view.getUint32(entry + 42, true);
  const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  if (start + packed > bytes.length) throw new RangeError("a file of an archive ends behind it");
  const content = bytes.subarray(start, start + packed);
  if (method === DEFLATED) return inflateRawSync(content, { maxOutputLength: most });
  if (method !== STORED || packed > most)
    throw new RangeError("a file of an archive is packed in an unknown way or too long");
  return content;
}
