import type { Writable } from "node:stream";
import { type StdoutSinkConfig, sinkName } from "../config/schema.js";
import { VideoExplainerError } from "../errors.js";
import { jsonLine } from "../messages/json-line.js";
import type { FrameOutcome, MessageKind, OutMessage } from "../messages/message.js";
import { countByKind } from "./lost.js";
import type { Sink, SinkContext, SinkStatus } from "./sink.js";

/** What may wait for a slow reader before messages that may be dropped are. */
const PENDING_BYTES = 16 * 1024 * 1024;

/**
 * One JSON document a line. A reader that is slow holds up file sources and costs live ones messages; one that has left
 * (`| head`) does not come back: that is said, and the rest dropped.
 */
export const createStdoutSink = (config: StdoutSinkConfig, context: SinkContext, output?: Writable): Sink =>
  new StdoutSink(config, context, output ?? process.stdout);

class StdoutSink implements Sink {
  readonly name: string;
  readonly settles = true;
  readonly kinds: ReadonlySet<MessageKind>;
  #pending = new Set<OutMessage>();
  #idle: (() => void)[] = [];
  #room: (() => void)[] = [];
  #open = false;
  #status: SinkStatus = { connected: false, buffered: 0, published: 0, errors: 0, dropped: 0 };

  constructor(
    config: StdoutSinkConfig,
    private readonly context: SinkContext,
    private readonly output: Writable,
  ) {
    this.name = sinkName(config);
    this.kinds = new Set(config.publish);
  }

  async connect(): Promise<void> {
    if (this.#open) return;
    this.#open = true;
    this.output.on("drain", this.#drained);
    this.output.on("error", this.#left);
    this.output.on("close", this.#left);
    this.#status.connected = true;
    this.context.events.onConnected(true);
  }

  async write(outcome: FrameOutcome): Promise<void> {
    for (const message of outcome.messages) if (this.kinds.has(message.kind)) await this.#print(message);
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
    if (this.#pending.size > 0 && this.#status.connected) {
      await new Promise<void>((done) => {
        const timer = setTimeout(done, Math.min(deadlineMs, 2 ** 31 - 1));
        this.#idle.push(() => {
          clearTimeout(timer);
          done();
        });
      });
    }
    const lost = this.#status.connected ? [...this.#pending] : [];
    if (!this.#status.connected) for (const message of this.#pending) this.#drop(message, "closed");
    this.#pending.clear();
    this.#open = false;
    this.#status.connected = false;
    this.output.off("drain", this.#drained);
    // The error listener stays: a reader that leaves later must not end the process.
    this.#drained();
    if (lost.length === 0) return;
    for (const message of lost) this.#drop(message, "not-delivered");
    throw new VideoExplainerError(
      "stdout-lost",
      `${countByKind(lost)} not read from the standard output within ${deadlineMs / 1000} s and lost; read it faster`,
    );
  }

  async #print(message: OutMessage): Promise<void> {
    if (!this.#status.connected) return this.#drop(message, "closed");
    if (message.whenFull === "drop" && this.output.writableLength > PENDING_BYTES) {
      return this.#drop(message, "buffer-full");
    }
    while (message.whenFull === "wait" && this.output.writableNeedDrain && this.#status.connected) {
      await new Promise<void>((go) => this.#room.push(go));
    }
    if (!this.#status.connected) return this.#drop(message, "closed");
    this.#pending.add(message);
    this.output.write(`${jsonLine(message.body)}\n`, (error) => {
      if (this.#pending.delete(message)) {
        if (error) this.#drop(message, "closed");
        else {
          this.#status.published++;
          message.onSettled?.(true);
          this.context.events.onPublished(message.kind);
        }
      }
      if (this.#pending.size === 0) for (const wake of this.#idle.splice(0)) wake();
    });
  }

  #drained = (): void => {
    for (const go of this.#room.splice(0)) go();
  };

  #left = (error?: NodeJS.ErrnoException): void => {
    if (!this.#status.connected) return;
    const isReader = !error || error.code === "EPIPE";
    const reason = isReader
      ? "the reader of the standard output has left"
      : `the standard output cannot be written (${error.code ?? error.message}); check where it leads`;
    this.#status = { ...this.#status, connected: false, reason };
    if (!isReader) {
      this.#status.errors++;
      this.context.events.onError(new VideoExplainerError("stdout", reason, { cause: error }));
    }
    this.context.log.warn(`${this.name}: ${reason}; what was to be printed is dropped`);
    this.context.events.onConnected(false, reason);
    this.context.events.onGone?.(reason);
    this.#drained();
    for (const wake of this.#idle.splice(0)) wake();
  };

  #drop(message: OutMessage, reason: string): void {
    this.#status.dropped++;
    message.onSettled?.(false);
    this.context.events.onDropped(message.kind, reason);
  }
}
