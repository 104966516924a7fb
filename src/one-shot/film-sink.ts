import { type FileHandle, open } from "node:fs/promises";
import { type FilmEncoder, startFilmEncoder } from "../ffmpeg/film-encoder.js";
import type { FrameOutcome, MessageKind } from "../messages/message.js";
import type { Summary } from "../messages/summary.js";
import type { Sink, SinkStatus } from "../sinks/sink.js";
import { cannotWrite, type StagedFile } from "./staged-file.js";
import { TopClassCounter } from "./top-class-counter.js";

export interface FilmSinkOptions {
  film: StagedFile;
  summaries: StagedFile;
  /** Frames so far. */
  onFrame(frames: number): void;
  /** It cannot go on; nothing more is written. */
  onFailure(error: Error): void;
}

/** Overlays of one source into a film, its summaries into lines. */
export class FilmSink implements Sink {
  readonly name = "film";
  readonly kinds: ReadonlySet<MessageKind> = new Set(["summary", "overlay"]);
  readonly counter = new TopClassCounter();
  #encoder: FilmEncoder | undefined;
  #lines: FileHandle | undefined;
  #failure: Error | undefined;
  #written = 0;

  constructor(private readonly options: FilmSinkOptions) {}

  async connect(): Promise<void> {
    this.#lines = await open(this.options.summaries.path, "w");
  }

  async write(outcome: FrameOutcome): Promise<void> {
    const { summary } = outcome;
    if (!summary || this.#failure) return;
    try {
      for (const { kind, body } of outcome.messages) {
        if (kind === "summary") await this.#line(body);
        else if (kind === "overlay") await this.#picture(body, summary);
      }
      this.counter.add(summary);
      this.options.onFrame(++this.#written);
    } catch (error) {
      this.#failure = error as Error;
      this.options.onFailure(this.#failure);
    }
  }

  async #line(body: Uint8Array): Promise<void> {
    await this.#lines!.appendFile(Buffer.concat([body, Buffer.from("\n")])).catch((cause: unknown) => {
      throw cannotWrite(this.options.summaries.target, cause);
    });
  }

  async #picture(jpeg: Uint8Array, { frame, pts }: Summary): Promise<void> {
    this.#encoder ??= await startFilmEncoder({ path: this.options.film.path, ...frame });
    await this.#encoder.add(jpeg, pts);
  }

  /** Resolves when film and lines are whole; rejects with the first fault. */
  async finish(): Promise<void> {
    await this.#lines?.close();
    this.#lines = undefined;
    if (this.#failure) throw this.#failure;
    await this.#encoder?.finish();
  }

  /** Lets everything go. */
  async abort(): Promise<void> {
    await this.#lines?.close();
    this.#lines = undefined;
    await this.#encoder?.abort();
  }

  verify(): Promise<boolean> {
    return Promise.resolve(this.#failure === undefined);
  }

  status(): SinkStatus {
    return { connected: !this.#failure, buffered: 0, published: this.#written, errors: 0, dropped: 0 };
  }

  /** Its owner finishes or aborts it once it knows how the film ended. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
