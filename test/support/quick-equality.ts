import { expect } from "vitest";

/** `toEqual` looks at a picture's million bytes one by one; where all are the same, their memory says so at once. */
expect.addEqualityTesters([
  (a: unknown, b: unknown) => {
    if (!isBytes(a) || !isBytes(b) || a.constructor !== b.constructor) return undefined;
    return Buffer.compare(bytesOf(a), bytesOf(b)) === 0 ? true : undefined;
  },
]);

const isBytes = (value: unknown): value is ArrayBufferView => ArrayBuffer.isView(value) && !(value instanceof DataView);
const bytesOf = (view: ArrayBufferView): Buffer => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
