import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { dirname } from "node:path";
import { type Modes, makeFolder } from "./private-files.js";

const APPEND = constants.O_RDWR | constants.O_APPEND;

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

  constructor(
    readonly path: string,
    private readonly modes: Modes,
  ) {}

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
    const file = await openForAppend(this.path, this.modes);
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

async function openForAppend(path: string, modes: Modes): Promise<FileHandle> {
  try {
    return await open(path, APPEND | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A link that somebody else has put there would lead the lines to where he likes.
    if (code === "ELOOP" && (await isOurs(path))) return open(path, APPEND);
    if (code !== "ENOENT") throw error;
    await makeFolder(dirname(path), modes);
    const file = await open(path, APPEND | constants.O_NOFOLLOW | constants.O_CREAT, 0o600);
    await file.chmod(modes.file);
    return file;
  }
}

async function isOurs(path: string): Promise<boolean> {
  const { uid } = await lstat(path);
  return uid === process.getuid?.();
}

async function lastByte(file: FileHandle, size: number): Promise<string> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString("latin1");
}
