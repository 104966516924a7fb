/** Fields of a `ModelProto` and a `StringStringEntryProto`, which tools write their own notes into. */
const METADATA_PROPS = 14;
const [KEY, VALUE] = [1, 2];
/** What one entry may take; longer ones are left out. */
const MAX_ENTRY_BYTES = 4 * 2 ** 20;
const MAX_ENTRIES = 1000;
/** And all of them. */
const MAX_TOTAL_BYTES = 16 * 2 ** 20;
/** Fields of a model: some tens, of which one is the network. */
const MAX_FIELDS = 10_000;
/** A tag and a length. */
const HEAD_BYTES = 20;

/** What is no sequence of fields of a protobuf message. */
class NoMessage extends Error {}

/** A number of 7 bits a byte; larger ones than a file is long are none. */
function varint(bytes: Uint8Array, from: number): { value: number; end: number } {
  let value = 0;
  for (let k = 0; k < 10; k++) {
    const byte = bytes[from + k];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * k);
    if (byte < 0x80) return { value, end: from + k + 1 };
  }
  throw new NoMessage();
}

/** Where the fields of a message lie, from the head of each: nothing between is read. */
function* fields(head: (offset: number) => Uint8Array, size: number) {
  for (let [at, count] = [0, 0]; at < size && count < MAX_FIELDS; count++) {
    const bytes = head(at);
    const tag = varint(bytes, 0);
    const wire = tag.value % 8;
    const first = wire === 0 || wire === 2 ? varint(bytes, tag.end) : { value: 0, end: tag.end };
    const length = [0, 8, first.value, undefined, undefined, 4][wire];
    if (length === undefined) throw new NoMessage();
    const start = at + first.end;
    yield { id: Math.floor(tag.value / 8), wire, start, length };
    at = start + length;
  }
}

/**
 * What tools have written into an ONNX file about it, by key. The network is stepped over, not read: it takes as long for
 * a large file as for a small one. Empty for what is no ONNX file.
 */
export function onnxMetadata(bytes: Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  let total = 0;
  try {
    for (const { id, wire, start, length } of fields((at) => bytes.subarray(at, at + HEAD_BYTES), bytes.length)) {
      if (id !== METADATA_PROPS || wire !== 2 || length > MAX_ENTRY_BYTES || found.size >= MAX_ENTRIES) continue;
      total += length;
      if (total > MAX_TOTAL_BYTES) break;
      const [key, value] = entry(bytes.subarray(start, start + length));
      if (!found.has(key)) found.set(key, value);
    }
  } catch (error) {
    // What it is shows when the network is read.
    if (!(error instanceof NoMessage)) throw error;
  }
  return found;
}

function entry(bytes: Uint8Array): [string, string] {
  const texts: Record<number, string> = {};
  for (const { id, wire, start, length } of fields((at) => bytes.subarray(at, at + HEAD_BYTES), bytes.length))
    if (wire === 2) texts[id] = new TextDecoder().decode(bytes.subarray(start, start + length));
  return [texts[KEY] ?? "", texts[VALUE] ?? ""];
}
