import type { JsMsg } from "nats";
import type { ExplainInput } from "../explain/explanation.js";
import type { WorkRequest } from "./wire.js";

/** A frame that a worker was given and has not answered yet. */
export interface HeldFrame {
  message: JsMsg;
  /** Third and fourth token of its subject. */
  station: string;
  source: string;
  request: WorkRequest;
  input: ExplainInput;
}

/** Memory of pictures of one size, used again. */
export class PictureSlabs {
  readonly #free: SharedArrayBuffer[] = [];

  constructor(private readonly bytes: number) {}

  take(): SharedArrayBuffer {
    return this.#free.pop() ?? new SharedArrayBuffer(this.bytes);
  }

  give(memory: SharedArrayBuffer): void {
    this.#free.push(memory);
  }
}
