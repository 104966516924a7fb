/**
 * Reads flatbuffers (https://flatbuffers.dev/internals): tables whose fields are found through a list of their places, all
 * by number. Every place lies within the bytes, and every list in its whole length, or a RangeError is thrown: files may be
 * hostile, and nothing is read or made before its length is known to be there.
 */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  /** Where the list of the fields' places begins, and how many bytes it takes. */
  readonly #fields: number;
  readonly #length: number;

  private constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#fields = at - view.getInt32(at, true);
    this.#length = view.getUint16(this.#fields, true);
  }

  /** The table that a buffer is about. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new FlatTable(view, view.getUint32(0, true));
  }

  /** Where a field stands; undefined where it has its default. */
  #place(field: number): number | undefined {
    const entry = 4 + 2 * field;
    const offset = entry + 2 <= this.#length ? this.#view.getUint16(this.#fields + entry, true) : 0;
    return offset === 0 ? undefined : this.#at + offset;
  }
  /** Where what a field points to stands. */
  #target(field: number): number | undefined {
    const place = this.#place(field);
    return place === undefined ? undefined : place + this.#view.getUint32(place, true);
  }
  #number(field: number, fallback: number, read: (view: DataView, place: number) => number): number {
    const place = this.#place(field);
    return place === undefined ? fallback : read(this.#view, place);
  }

  int8 = (field: number, fallback = 0): number => this.#number(field, fallback, (view, at) => view.getInt8(at));
  uint8 = (field: number, fallback = 0): number => this.#number(field, fallback, (view, at) => view.getUint8(at));
  int32 = (field: number, fallback = 0): number => this.#number(field, fallback, (view, at) => view.getInt32(at, true));
  uint32 = (field: number, fallback = 0): number =>
    this.#number(field, fallback, (view, at) => view.getUint32(at, true));
  /** Beyond 2^53 not to the last digit. */
  uint64 = (field: number, fallback = 0): number =>
    this.#number(field, fallback, (view, at) => Number(view.getBigUint64(at, true)));
  float32 = (field: number, fallback = 0): number =>
    this.#number(field, fallback, (view, at) => view.getFloat32(at, true));
  flag = (field: number): boolean => this.uint8(field) !== 0;

  table(field: number): FlatTable | undefined {
    const at = this.#target(field);
    return at === undefined ? undefined : new FlatTable(this.#view, at);
  }

  /** Where the elements of a list begin, and how many there are. */
  #list(field: number, bytesEach: number): { start: number; length: number } | undefined {
    const at = this.#target(field);
    if (at === undefined) return undefined;
    const length = this.#view.getUint32(at, true);
    const start = at + 4;
    if (start + length * bytesEach > this.#view.byteLength)
      throw new RangeError(`a list of ${length} elements is longer than the buffer`);
    return { start, length };
  }
  lengthOf = (field: number): number => this.#list(field, 1)?.length ?? 0;
  bytes(field: number): Uint8Array | undefined {
    const list = this.#list(field, 1);
    return list && new Uint8Array(this.#view.buffer, this.#view.byteOffset + list.start, list.length);
  }
  /** UTF-8; what is longer than `most` bytes is cut off. */
  text(field: number, most = 1000): string | undefined {
    const bytes = this.bytes(field);
    return bytes && new TextDecoder().decode(bytes.subarray(0, most));
  }
  #numbers(field: number, bytesEach: number, read: (place: number) => number): number[] {
    const list = this.#list(field, bytesEach);
    return Array.from({ length: list?.length ?? 0 }, (_, k) => read(list!.start + k * bytesEach));
  }
  int32s = (field: number): number[] => this.#numbers(field, 4, (at) => this.#view.getInt32(at, true));
  int64s = (field: number): number[] => this.#numbers(field, 8, (at) => Number(this.#view.getBigInt64(at, true)));
  float32s = (field: number): number[] => this.#numbers(field, 4, (at) => this.#view.getFloat32(at, true));
  /** The table at a place in a list; lists may be long, and none of theirs is read before it is wanted. */
  tableAt(field: number, index: number): FlatTable | undefined {
    const list = this.#list(field, 4);
    if (!list || !(index >= 0 && index < list.length)) return undefined;
    const place = list.start + 4 * index;
    return new FlatTable(this.#view, place + this.#view.getUint32(place, true));
  }
  /** @throws RangeError where there are more than `most` */
  tables(field: number, most: number): FlatTable[] {
    const length = this.#list(field, 4)?.length ?? 0;
    if (length > most) throw new RangeError(`a list of ${length} tables, and up to ${most} are read`);
    return Array.from({ length }, (_, k) => this.tableAt(field, k)!);
  }
}
