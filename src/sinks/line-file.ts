import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";

interface Pending {
  text: string;
  written(): void;
  failed(error: unknown): void;
}

/**
 * A text file that only grows, in whole lines and in the order of the calls. Lines that come while one is being written
 * go out together. It holds no descriptor between writes, so any number of sources may have one.
 */
export class LineFile {
  #pending: Pending[] = [];
  #busy = false;
  #opened = false;

  constructor(readonly path: string) {}

  /** Resolves when the line is in the file; rejects, leaving no part of it behind, when the disk refuses. */
  append(line: string): Promise<void> {
    return new Promise((written, failed) => {
      this.#pending.push({ text: `${line}\n`, written, failed });
      if (!this.#busy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0);
      try {
        await this.#write(batch.map(({ text }) => text).join(""));
        for (const { written } of batch) written();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#busy = false;
  }

  async #write(text: string): Promise<void> {
    const file = await openForAppend(this.path);
    try {
      const { size } = await file.stat();
      // A killed run may have left half a line.
      const lead = !this.#opened && size > 0 && (await lastByte(file, size)) !== "\n" ? "\n" : "";
      try {
        await file.appendFile(lead + text);
      } catch (error) {
        // Where that fails too, the disk's first word is the one to tell.
        await file.truncate(size).catch(() => undefined);
        throw error;
      }
      this.#opened = true;
    } finally {
      await file.close();
    }
  }
}

async function openForAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, "a+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await mkdir(dirname(path), { recursive: true });
    return open(path, "a+");
  }
}

async function lastByte(file: FileHandle, size: number): Promise<string> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString("latin1");
}
