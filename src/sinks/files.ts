import { open } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { type FilesSinkConfig, sinkName } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import { jsonLine } from "../messages/json-line.js";
import type { FrameOutcome, MessageKind, OutMessage } from "../messages/message.js";
import { replaceFile } from "../replace-file.js";
import { systemAdvice, systemCode, systemReason } from "../system-error.js";
import { LineFile } from "./line-file.js";
import { countByKind } from "./lost.js";
import { type Modes, makeFolder, modesOf } from "./private-files.js";
import type { Sink, SinkContext, SinkStatus } from "./sink.js";

/** What may wait for a slow disk before messages that may be dropped are. */
const PENDING_BYTES = 64 * 1024 * 1024;

const EXTENSIONS = { "image/jpeg": "jpg", "image/png": "png", "application/json": "json" } as const;
const LINE_FILES = { summary: "summaries.jsonl", status: "status.jsonl" } as const;

/**
 * Writes each source into a folder of its own: `{path}/{source}/{run}-{sequence}.jpg` (overlay), `.png` (heatmap) and
 * `-original.jpg` (the frame as decoded), `summaries.jsonl` and `status.jsonl`. `run` is the start of this run in UTC, so names sort by time and a restarted
 * program overwrites nothing; lines are appended to what earlier runs wrote. Pictures may show people: what it makes is
 * the user's own to read, unless `mode` says otherwise.
 */
export const createFilesSink = (config: FilesSinkConfig, context: SinkContext): Sink => new FilesSink(config, context);

/** `{run}-{sequence}.{extension}`, of an original with its kind before the extension; sorts by run, then by sequence. */
export function imageFileName(
  runStartedAt: Date,
  { kind, sequence, contentType }: Pick<OutMessage, "kind" | "sequence" | "contentType">,
): string {
  const run = runStartedAt.toISOString().replace(/[-:.]/g, "");
  const what = kind === "original" ? "-original" : "";
  return `${run}-${String(sequence).padStart(10, "0")}${what}.${EXTENSIONS[contentType]}`;
}

class FilesSink implements Sink {
  readonly name: string;
  readonly settles = true;
  readonly kinds: ReadonlySet<MessageKind>;
  readonly #folder: string;
  readonly #modes: Modes;
  readonly #startedAt = new Date();
  #lines = new Map<string, LineFile>();
  #pending = new Set<OutMessage>();
  #pendingBytes = 0;
  #idle: (() => void)[] = [];
  #closed = false;
  #status: SinkStatus = { connected: false, buffered: 0, published: 0, errors: 0, dropped: 0 };

  constructor(
    config: FilesSinkConfig,
    private readonly context: SinkContext,
  ) {
    this.name = sinkName(config);
    this.kinds = new Set(config.publish);
    this.#folder = resolve(context.baseDir, config.path);
    this.#modes = modesOf(config.mode);
  }

  async connect(): Promise<void> {
    if (this.#status.connected) return;
    try {
      await makeFolder(this.#folder, this.#modes);
      this.#answered();
    } catch (error) {
      this.#failed(error);
    }
  }

  async write(outcome: FrameOutcome): Promise<void> {
    const messages = outcome.messages.filter((message) => this.kinds.has(message.kind));
    await Promise.all(messages.map((message) => this.#accept(message)));
  }

  forget(source: string): void {
    for (const name of Object.values(LINE_FILES)) this.#lines.delete(join(this.#folder, source, name));
  }

  async verify(): Promise<boolean> {
    return this.#status.connected;
  }

  status(): SinkStatus {
    return { ...this.#status, buffered: this.#pending.size };
  }

  async flushed(): Promise<void> {
    if (this.#pending.size > 0) await new Promise<void>((done) => this.#idle.push(done));
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    const until = performance.now() + deadlineMs;
    await this.#whenIdle(until);
    const lost = [...this.#pending];
    this.#pending.clear();
    this.#status.connected = false;
    if (lost.length === 0) return;
    for (const message of lost) this.#drop(message, "not-delivered");
    throw new VideoExplainerError(
      "files-lost",
      `${countByKind(lost)} not written to ${this.#folder} within ${deadlineMs / 1000} s and lost; check the disk`,
    );
  }

  /** A message that may be dropped does not wait for the disk, one that may not does. */
  async #accept(message: OutMessage): Promise<void> {
    if (this.#closed) return this.#drop(message, "closed");
    const droppable = message.whenFull === "drop";
    if (droppable && this.#pendingBytes + message.body.byteLength > PENDING_BYTES) {
      return this.#drop(message, "buffer-full");
    }
    this.#pending.add(message);
    this.#pendingBytes += message.body.byteLength;
    const done = this.#store(message);
    if (!droppable) await done;
  }

  async #store(message: OutMessage): Promise<void> {
    try {
      await this.#put(message);
      if (!this.#pending.has(message)) return;
      this.#status.published++;
      message.onSettled?.(true);
      this.context.events.onPublished(message.kind);
      this.#answered();
    } catch (error) {
      this.#failed(error);
      if (this.#pending.has(message)) this.#drop(message, "disk-error");
    } finally {
      this.#pending.delete(message);
      this.#pendingBytes -= message.body.byteLength;
      if (this.#pending.size === 0) for (const wake of this.#idle.splice(0)) wake();
    }
  }

  async #put(message: OutMessage): Promise<void> {
    const folder = join(this.#folder, message.source);
    if (message.kind === "summary" || message.kind === "status") {
      const path = join(folder, LINE_FILES[message.kind]);
      const file = this.#lines.get(path) ?? new LineFile(path, this.#modes);
      this.#lines.set(path, file);
      return file.append(jsonLine(message.body));
    }
    await writeWhole(join(folder, imageFileName(this.#startedAt, message)), message.body, this.#modes);
  }

  #whenIdle(until: number): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve();
    return new Promise((done) => {
      const timer = setTimeout(done, Math.min(Math.max(0, until - performance.now()), 2 ** 31 - 1));
      this.#idle.push(() => {
        clearTimeout(timer);
        done();
      });
    });
  }

  #drop(message: OutMessage, reason: string): void {
    this.#status.dropped++;
    message.onSettled?.(false);
    this.context.events.onDropped(message.kind, reason);
  }

  #answered(): void {
    if (this.#status.connected || this.#closed) return;
    const back = this.#status.reason !== undefined;
    this.#status = { ...this.#status, connected: true, reason: undefined };
    this.context.events.onConnected(true);
    if (back) this.context.log.info(`${this.name}: ${this.#folder} can be written again`);
  }

  #failed(cause: unknown): void {
    const error = diskError(cause, this.#folder);
    this.#status.errors++;
    this.context.events.onError(error);
    if (this.#status.reason === error.message) return;
    this.#status = { ...this.#status, connected: false, reason: error.message };
    this.context.events.onConnected(false, error.message);
    this.context.log.warn(`${this.name}: ${error.message}`);
  }
}

/** Readers of the folder never see half a picture. */
const writeWhole = (path: string, body: Uint8Array, modes: Modes): Promise<void> =>
  replaceFile(path, `${path}.partial`, async (partial) => {
    try {
      await writeNew(partial, body, modes);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
      await makeFolder(dirname(path), modes);
      await writeNew(partial, body, modes);
    }
  });

async function writeNew(path: string, body: Uint8Array, modes: Modes): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.chmod(modes.file);
    await file.writeFile(body);
  } finally {
    await file.close();
  }
}

function diskError(cause: unknown, folder: string): VideoExplainerError {
  const what =
    systemCode(cause) === "ELOOP"
      ? "a file of that name is somebody else's symbolic link; remove it"
      : `${systemReason(cause)}; ${systemAdvice(cause)}`;
  const text = `results cannot be written to ${folder}: ${what} or choose another path`;
  return new VideoExplainerError("files-disk", text, { cause });
}
