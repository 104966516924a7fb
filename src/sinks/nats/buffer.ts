import type { OutMessage } from "../../messages/message.js";

/** What a message costs besides its body: headers, subject, bookkeeping. */
const OVERHEAD_BYTES = 512;

/** A message on its way: `queued` waits for its turn, `inFlight` is handed to the client but not confirmed. */
export interface PendingMessage {
  message: OutMessage;
  bytes: number;
  state: "queued" | "inFlight" | "done";
  /** Times it was handed to a connection; above 0 and queued, the server may have it already. */
  tries: number;
}

export interface BufferEvents {
  /** Something new can be taken. */
  onQueued(): void;
  onDropped(message: OutMessage, reason: string): void;
}

interface Waiter {
  message: OutMessage;
  admitted(): void;
}

/**
 * Messages not yet confirmed by the far end, bounded in bytes. When full, `drop` messages push out the oldest of their
 * like and `wait` messages wait for room, which they then get first. A message larger than the whole bound is taken
 * when nothing else is held.
 */
export class PublishBuffer {
  // Sets keep the order of insertion and let go of what is dropped from their middle.
  #queue = new Set<PendingMessage>();
  #droppable = new Set<PendingMessage>();
  #inFlight = new Set<PendingMessage>();
  #waiting = new Set<Waiter>();
  #bytes = 0;
  #inFlightBytes = 0;
  #droppableBytes = 0;
  #count = 0;
  #sealed = false;
  #idle: (() => void)[] = [];

  constructor(
    readonly limitBytes: number,
    private readonly events: BufferEvents,
  ) {}

  /** Messages held, waiting ones included. */
  get size(): number {
    return this.#count + this.#waiting.size;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get inFlight(): number {
    return this.#inFlight.size;
  }
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Resolves when the message is held or, dropped and reported, will never be. */
  async enqueue(message: OutMessage): Promise<void> {
    if (this.#sealed) return this.events.onDropped(message, "closed");
    const bytes = message.body.byteLength + OVERHEAD_BYTES;
    if (message.whenFull === "drop") {
      if (this.#makeRoom(bytes)) this.#admit(message, bytes);
      else this.events.onDropped(message, "buffer-full");
      return;
    }
    if (this.#waiting.size === 0 && this.#fits(bytes)) return this.#admit(message, bytes);
    await new Promise<void>((admitted) => this.#waiting.add({ message, admitted }));
  }

  /** The next message to publish; it stays held until `confirm` or `discard`. */
  take(): PendingMessage | undefined {
    const entry = first(this.#queue);
    if (!entry) return undefined;
    this.#queue.delete(entry);
    if (this.#droppable.delete(entry)) this.#droppableBytes -= entry.bytes;
    entry.state = "inFlight";
    entry.tries++;
    this.#inFlight.add(entry);
    this.#inFlightBytes += entry.bytes;
    return entry;
  }

  /** Takes the message out for good; false when it was out already. */
  confirm(entry: PendingMessage): boolean {
    if (entry.state === "done") return false;
    this.#remove(entry);
    this.#admitWaiting();
    if (this.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    return true;
  }

  discard(entry: PendingMessage, reason: string): void {
    if (this.confirm(entry)) this.events.onDropped(entry.message, reason);
  }

  /** Puts everything unconfirmed back at the front, in its old order. */
  requeue(): void {
    if (this.#inFlight.size === 0) return;
    const all = [...this.#inFlight, ...this.#queue];
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
    this.#queue.clear();
    this.#droppable.clear();
    this.#droppableBytes = 0;
    for (const entry of all) this.#enqueue(entry);
  }

  /** Queued messages that an earlier connection was handed and did not confirm, oldest first. */
  uncertain(): PendingMessage[] {
    return [...this.#queue].filter((entry) => entry.tries > 0);
  }

  /** Messages that wait for their turn, oldest first. */
  queued(): PendingMessage[] {
    return [...this.#queue];
  }

  /** Puts a smaller body into a message that waits for its turn; one that was dropped meanwhile stays so. */
  shrink(entry: PendingMessage, body: Uint8Array): void {
    if (entry.state !== "queued") return;
    const less = entry.message.body.byteLength - body.byteLength;
    entry.message = { ...entry.message, body };
    entry.bytes -= less;
    this.#bytes -= less;
    if (this.#droppable.has(entry)) this.#droppableBytes -= less;
    this.#admitWaiting();
  }

  /** Resolves when nothing is held any more. */
  whenEmpty(): Promise<void> {
    return this.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Gives up: reports everything held as dropped, lets the waiting writers go, takes nothing from now on. */
  dropAll(reason: string): OutMessage[] {
    this.#sealed = true;
    this.requeue();
    const lost: OutMessage[] = [];
    for (const entry of this.#queue) {
      this.#remove(entry);
      lost.push(entry.message);
    }
    for (const waiter of this.#waiting) {
      lost.push(waiter.message);
      waiter.admitted();
    }
    this.#waiting.clear();
    for (const message of lost) this.events.onDropped(message, reason);
    for (const resolve of this.#idle.splice(0)) resolve();
    return lost;
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.limitBytes;
  }

  /** Pushes out the oldest droppable messages, but only when that is enough; writers that wait keep their claim. */
  #makeRoom(bytes: number): boolean {
    if (this.#waiting.size === 0 && this.#fits(bytes)) return true;
    const room = this.#waiting.size === 0 ? this.limitBytes - this.#bytes : 0;
    if (room + this.#droppableBytes < bytes) return false;
    for (let freed = room; freed < bytes; ) {
      const oldest = first(this.#droppable);
      if (!oldest) return false;
      freed += oldest.bytes;
      this.#remove(oldest);
      this.events.onDropped(oldest.message, "buffer-full");
    }
    return true;
  }

  #admit(message: OutMessage, bytes: number): void {
    this.#enqueue({ message, bytes, state: "queued", tries: 0 });
    this.#bytes += bytes;
    this.#count++;
    this.events.onQueued();
  }

  #enqueue(entry: PendingMessage): void {
    entry.state = "queued";
    this.#queue.add(entry);
    if (entry.message.whenFull !== "drop") return;
    this.#droppable.add(entry);
    this.#droppableBytes += entry.bytes;
  }

  #admitWaiting(): void {
    for (const next of this.#waiting) {
      const bytes = next.message.body.byteLength + OVERHEAD_BYTES;
      if (!this.#fits(bytes)) return;
      this.#waiting.delete(next);
      this.#admit(next.message, bytes);
      next.admitted();
    }
  }

  #remove(entry: PendingMessage): void {
    if (this.#inFlight.delete(entry)) this.#inFlightBytes -= entry.bytes;
    if (this.#droppable.delete(entry)) this.#droppableBytes -= entry.bytes;
    this.#queue.delete(entry);
    entry.state = "done";
    this.#bytes -= entry.bytes;
    this.#count--;
  }
}

const first = <T>(set: ReadonlySet<T>): T | undefined => set.values().next().value;
