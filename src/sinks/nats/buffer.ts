import type { OutMessage } from "../../messages/message.js";

/** What a message costs besides its body: headers, subject, bookkeeping. */
const OVERHEAD_BYTES = 512;

/** A message on its way: `queued` waits for its turn, `flying` is handed to the client but not confirmed. */
export interface Parcel {
  message: OutMessage;
  bytes: number;
  state: "queued" | "flying" | "done";
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
  #queue = new Set<Parcel>();
  #droppable = new Set<Parcel>();
  #flying = new Set<Parcel>();
  #waiting = new Set<Waiter>();
  #bytes = 0;
  #flyingBytes = 0;
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
  get flying(): number {
    return this.#flying.size;
  }
  get flyingBytes(): number {
    return this.#flyingBytes;
  }

  /** Resolves when the message is held or, dropped and reported, will never be. */
  async offer(message: OutMessage): Promise<void> {
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
  take(): Parcel | undefined {
    const parcel = first(this.#queue);
    if (!parcel) return undefined;
    this.#queue.delete(parcel);
    if (this.#droppable.delete(parcel)) this.#droppableBytes -= parcel.bytes;
    parcel.state = "flying";
    parcel.tries++;
    this.#flying.add(parcel);
    this.#flyingBytes += parcel.bytes;
    return parcel;
  }

  /** Takes the message out for good; false when it was out already. */
  confirm(parcel: Parcel): boolean {
    if (parcel.state === "done") return false;
    this.#remove(parcel);
    this.#admitWaiting();
    if (this.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    return true;
  }

  discard(parcel: Parcel, reason: string): void {
    if (this.confirm(parcel)) this.events.onDropped(parcel.message, reason);
  }

  /** Puts everything unconfirmed back at the front, in its old order. */
  requeue(): void {
    if (this.#flying.size === 0) return;
    const all = [...this.#flying, ...this.#queue];
    this.#flying.clear();
    this.#flyingBytes = 0;
    this.#queue.clear();
    this.#droppable.clear();
    this.#droppableBytes = 0;
    for (const parcel of all) this.#enqueue(parcel);
  }

  /** Queued messages that an earlier connection was handed and did not confirm, oldest first. */
  uncertain(): Parcel[] {
    return [...this.#queue].filter((parcel) => parcel.tries > 0);
  }

  /** Messages that wait for their turn, oldest first. */
  queued(): Parcel[] {
    return [...this.#queue];
  }

  /** Puts a smaller body into a message that waits for its turn; one that was dropped meanwhile stays so. */
  shrink(parcel: Parcel, body: Uint8Array): void {
    if (parcel.state !== "queued") return;
    const less = parcel.message.body.byteLength - body.byteLength;
    parcel.message = { ...parcel.message, body };
    parcel.bytes -= less;
    this.#bytes -= less;
    if (this.#droppable.has(parcel)) this.#droppableBytes -= less;
    this.#admitWaiting();
  }

  /** Resolves when nothing is held any more. */
  whenEmpty(): Promise<void> {
    return this.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Gives up: reports everything held as dropped, lets the waiting writers go, takes nothing from now on. */
  abandon(reason: string): OutMessage[] {
    this.#sealed = true;
    this.requeue();
    const lost: OutMessage[] = [];
    for (const parcel of this.#queue) {
      this.#remove(parcel);
      lost.push(parcel.message);
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

  #enqueue(parcel: Parcel): void {
    parcel.state = "queued";
    this.#queue.add(parcel);
    if (parcel.message.whenFull !== "drop") return;
    this.#droppable.add(parcel);
    this.#droppableBytes += parcel.bytes;
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

  #remove(parcel: Parcel): void {
    if (this.#flying.delete(parcel)) this.#flyingBytes -= parcel.bytes;
    if (this.#droppable.delete(parcel)) this.#droppableBytes -= parcel.bytes;
    this.#queue.delete(parcel);
    parcel.state = "done";
    this.#bytes -= parcel.bytes;
    this.#count--;
  }
}

const first = <T>(set: ReadonlySet<T>): T | undefined => set.values().next().value;
