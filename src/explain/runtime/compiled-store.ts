import { createHash, randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { cacheHome, MAX_CACHE_BYTES } from "../../cache-home.js";
import { distrust } from "../../trust.js";
import type { Prepared } from "../engines/engine.js";
import type { ModelInfo } from "../explanation.js";
import { type FileFingerprint, unchanged } from "../model/file-fingerprints.js";
import type { Preprocessing } from "../preprocessing.js";

/** What a worker has to know of a model that is compiled already. */
export interface CompiledModel {
  info: ModelInfo;
  preprocessing: Preprocessing;
  /** Elements of all activations of a frame. */
  activations: number;
  /** What a reader should know of how the model was read, a sentence each. */
  remarks: readonly string[];
  prepared: Prepared;
  /** The files that the model was read from, as they were. */
  files: readonly FileFingerprint[];
}

interface Entry extends CompiledModel {
  /** Checksums of the files in the entry's folder. */
  sums: Record<string, string>;
}

/** What a compile that was cut off leaves behind is swept up after so long. */
const STALE_MS = 3_600_000;
const ENTRY = "entry.json";
/** Folder among the entries that says which devices were chosen: a few hundred bytes for each, which bring no room. */
export const CHOICES = "chosen";

/** Folder of the cache: `auto` is where the system keeps caches; undefined when it is off. */
export function cacheFolder(given: string | undefined): string | undefined {
  if (given === "off") return undefined;
  if (given !== undefined && given !== "auto") return path.resolve(given);
  return path.join(cacheHome(), "compiled");
}

/** The compiler's own files as they are: what another one of the same version compiled is not what this one would. */
export function compilerState(): unknown {
  const here = fileURLToPath(new URL("..", import.meta.url));
  return readdirSync(here, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[jt]s$/.test(name))
    .sort()
    .map((name) => {
      const { size, mtimeMs } = statSync(path.join(here, name));
      return [name, size, mtimeMs];
    });
}

/** Compiled models on disk. Nothing that goes wrong with it stops anybody: it only costs the next start its time. */
export class CompiledStore {
  constructor(
    readonly folder: string,
    /** Of all entries together; the ones not used for longest go first. */
    readonly maxBytes = MAX_CACHE_BYTES,
  ) {}

  /** Name of what is compiled from these parts: model, options, versions, processor. */
  static key(keyParts: unknown): string {
    return createHash("sha256").update(JSON.stringify(keyParts)).digest("hex");
  }

  /**
   * The entry of a key with its folder; undefined where there is none or the model has changed. A damaged one is removed
   * and named in `problem`.
   */
  find(key: string): { folder?: string; entry?: CompiledModel; problem?: string } {
    const folder = path.join(this.folder, key);
    if (!existsSync(path.join(folder, ENTRY))) return {};
    const doubt = distrust(folder, "contents");
    if (doubt !== null) {
      remove(folder);
      return { problem: `the compiled model ${folder} is not used and made again: ${doubt}` };
    }
    try {
      const entry = parse(readFileSync(path.join(folder, ENTRY), "utf8"));
      if (!unchanged(entry.files)) return {};
      for (const [name, sum] of Object.entries(entry.sums))
        if (checksum(path.join(folder, name)) !== sum) throw new Error(`${name} is not what was written`);
      const now = new Date();
      utimesSync(folder, now, now);
      return { folder, entry };
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      return { problem: `the compiled model ${folder} was damaged (${(error as Error).message}) and is made again` };
    }
  }

  /** A folder to compile into; undefined where none can be made. */
  begin(key: string): string | undefined {
    const folder = path.join(this.folder, `${key}.${process.pid}.${randomUUID()}`);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      return folder;
    } catch {
      return undefined;
    }
  }

  /** Keeps what was compiled into the folder under its key. Of two processes that do so at once, the last wins. */
  commit(key: string, folder: string, model: CompiledModel): void {
    try {
      const sums = Object.fromEntries(readdirSync(folder).map((name) => [name, checksum(path.join(folder, name))]));
      const text = JSON.stringify({ ...model, sums } satisfies Entry);
      writeFileSync(path.join(folder, ENTRY), `${CompiledStore.key(text)}\n${text}`);
      const place = path.join(this.folder, key);
      // A folder cannot take another's place, but another's name can be freed first.
      if (existsSync(place)) {
        const old = `${place}.${randomUUID()}`;
        renameSync(place, old);
        rmSync(old, { recursive: true, force: true });
      }
      renameSync(folder, place);
      this.#evict(key);
    } catch {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #evict(kept: string): void {
    const entries = readdirSync(this.folder).map((name) => {
      const at = path.join(this.folder, name);
      const stat = statSync(at, { throwIfNoEntry: false });
      return { name, at, used: stat?.mtimeMs ?? 0, bytes: bytesIn(at) };
    });
    for (const { name, at, used } of entries)
      if (name.includes(".") && Date.now() - used > STALE_MS) rmSync(at, { recursive: true, force: true });
    const whole = entries.filter(({ name }) => name !== CHOICES && !name.includes(".")).sort((a, b) => a.used - b.used);
    let total = whole.reduce((sum, e) => sum + e.bytes, 0);
    for (const { name, at, bytes } of whole) {
      if (total <= this.maxBytes) break;
      if (name === kept) continue;
      rmSync(at, { recursive: true, force: true });
      total -= bytes;
    }
  }
}

/** Takes a folder away, where it can be: that of another user may have to stay. */
function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // It is not used, and whoever is told so can remove it.
  }
}

/** An entry's own checksum stands in its first line. */
function parse(text: string): Entry {
  const [sum, ...rest] = text.split("\n");
  const json = rest.join("\n");
  if (CompiledStore.key(json) !== sum) throw new Error(`${ENTRY} is not what was written`);
  return JSON.parse(json) as Entry;
}

function bytesIn(folder: string): number {
  try {
    return readdirSync(folder).reduce((sum, name) => sum + (statSync(path.join(folder, name)).size ?? 0), 0);
  } catch {
    // Another process has just removed it.
    return 0;
  }
}

/** In parts: weights may be larger than what one wants in memory. */
function checksum(file: string): string {
  const hash = createHash("sha256");
  const part = Buffer.allocUnsafe(1 << 20);
  const handle = openSync(file, "r");
  try {
    for (let read = readSync(handle, part); read > 0; read = readSync(handle, part))
      hash.update(part.subarray(0, read));
    return hash.digest("hex");
  } finally {
    closeSync(handle);
  }
}
