import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { BoundedSemaphore } from "../bounded-semaphore.js";
import { InputError, inContext, VideoExplainerError } from "../errors.js";
import { GREY, type ModelView, RESAMPLING } from "../fit.js";
import { type FrameLayout, fitting, frameBytes, type Rect, type Rotation, watchedRegion } from "../frame.js";
import { workerUrl } from "../worker-url.js";
import { Budget, type Grant } from "./budget.js";
import type { FoundPicture, FromWorker, PictureTarget, ToWorker } from "./worker-messages.js";

/** What pictures that are decoded at a time, for sources, requests and commands together, may take. */
export const DECODE_BYTES = 512 * 2 ** 20;
const THREADS = Math.min(2, availableParallelism());

/** What a picture may be. */
export interface PictureLimits {
  pixels: number;
  /** Of its width and of its height. */
  side: number;
  /** While it is decoded and held as a frame. */
  bytes: number;
}

/** A JPEG's sides, as which pictures are shown with their heat. */
const MAX_SIDE_PX = 65_500;
/** One's own files: beyond it lies no camera, only an attack on memory. */
export const FILE_LIMITS: PictureLimits = { pixels: 200e6, side: MAX_SIDE_PX, bytes: 2 ** 31 };
/** Pictures that somebody sends: 50 megapixels, no camera has more. */
export const REQUEST_LIMITS: PictureLimits = { pixels: 50e6, side: MAX_SIDE_PX, bytes: DECODE_BYTES };

/** Where a picture is laid, once it is known what it is and that there is memory to decode it. */
export interface Place extends PictureTarget {
  memory(): SharedArrayBuffer;
}

/** How a picture of a model's view and a region becomes a frame of this layout. Throws an `InputError` as `frameLayout` does. */
export function pictureTarget(
  layout: FrameLayout,
  view: ModelView,
  region?: Rect,
  rotate: Rotation = 0,
): PictureTarget {
  const { resampling = RESAMPLING, fill = GREY } = view;
  const fitted = fitting(watchedRegion(layout.width, layout.height, region), view);
  return { layout, rotate, ...fitted, resampling, fill };
}

/** A thread that decodes one picture at a time. */
class DecoderThread {
  readonly #worker = new Worker(workerUrl(import.meta.url, "./picture.worker.js"), { execArgv: [] });
  #answer: ((reply: FromWorker | VideoExplainerError) => void) | undefined;
  #fault: VideoExplainerError | undefined;

  constructor() {
    this.#worker.unref();
    this.#worker.on("message", (reply: FromWorker) => this.#answer?.(reply));
    this.#worker.on("error", (cause) => this.#ended(cause.message.split("\n")[0]!, cause));
    this.#worker.on("exit", (code) => this.#ended(`exit code ${code}`));
  }

  get isOver(): boolean {
    return this.#fault !== undefined;
  }

  /** Rejects with a `VideoExplainerError` when the thread ended. */
  async ask(message: ToWorker): Promise<FromWorker> {
    if (this.#fault) throw this.#fault;
    this.#worker.ref();
    try {
      const reply = await new Promise<FromWorker | VideoExplainerError>((answer) => {
        this.#answer = answer;
        this.#worker.postMessage(message);
      });
      if (reply instanceof VideoExplainerError) throw reply;
      return reply;
    } finally {
      this.#answer = undefined;
      this.#worker.unref();
    }
  }

  #ended(why: string, cause?: unknown): void {
    const text = `cannot be decoded: the thread that did so ended (${why}); the next picture starts a new one`;
    this.#fault ??= new VideoExplainerError("decoding", text, { cause });
    this.#answer?.(this.#fault);
  }
}

/**
 * Decodes still pictures in threads of its own, within a budget of memory: upright, in sRGB, transparent parts grey, the
 * first page of several. It is the one decoder of still pictures for sources, requests and commands.
 */
export class PictureReader {
  readonly #idle: DecoderThread[] = [];
  readonly #turns: BoundedSemaphore;

  constructor(
    threads = THREADS,
    private readonly budget = new Budget(DECODE_BYTES),
  ) {
    this.#turns = new BoundedSemaphore(threads, Number.POSITIVE_INFINITY);
  }

  /** What a picture is, without decoding it. Rejects as `read` does. */
  look(from: string | Uint8Array, shown: string, limits: PictureLimits): Promise<FoundPicture> {
    return this.#withThread(async (thread) => {
      const found = await find(thread, from, shown, limits);
      await thread.ask({ kind: "leave" });
      return found;
    }, shown);
  }

  /**
   * Decodes a file, or the bytes of one, into the memory of the place that `place` names for it; its grant counts until
   * it is released. Rejects with an `InputError` of one sentence when it cannot be read or is too large.
   */
  read(
    from: string | Uint8Array,
    shown: string,
    limits: PictureLimits,
    place: (found: FoundPicture) => Place,
  ): Promise<{ found: FoundPicture; grant: Grant }> {
    return this.#withThread(async (thread) => {
      const found = await find(thread, from, shown, limits);
      let grant: Grant | undefined;
      try {
        const { memory, ...target } = place(found);
        const held = frameBytes(target.layout);
        grant = await this.budget.take(found.bytes + held);
        const reply = await thread.ask({ kind: "write", memory: memory(), target });
        if (reply.kind === "failed") throw unreadable(shown, reply.what);
        grant.keep(held);
        return { found, grant };
      } catch (error) {
        if (!grant) await thread.ask({ kind: "leave" });
        grant?.release();
        throw error;
      }
    }, shown);
  }

  #withThread<T>(work: (thread: DecoderThread) => Promise<T>, shown: string): Promise<T> {
    return this.#turns.run(async () => {
      const thread = this.#idle.pop() ?? new DecoderThread();
      try {
        return await work(thread);
      } catch (error) {
        if (error instanceof VideoExplainerError && error.code === "decoding") {
          throw inContext(error, { subject: shown });
        }
        throw error;
      } finally {
        if (!thread.isOver) this.#idle.push(thread);
      }
    });
  }
}

async function find(
  thread: DecoderThread,
  from: string | Uint8Array,
  shown: string,
  limits: PictureLimits,
): Promise<FoundPicture> {
  // A view would take its whole buffer along.
  const reply = await thread.ask({ kind: "read", from: typeof from === "string" ? from : new Uint8Array(from) });
  if (reply.kind === "failed") throw unreadable(shown, reply.what);
  if (reply.kind !== "found") throw new VideoExplainerError("internal", `${shown} was not looked at`);
  try {
    refuseLarge(shown, reply.found, limits);
  } catch (error) {
    await thread.ask({ kind: "leave" });
    throw error;
  }
  return reply.found;
}

const unreadable = (shown: string, what: string): InputError =>
  new InputError("unreadable-picture", `cannot be read as a picture: ${what}`, { subject: shown });

function refuseLarge(shown: string, { kind, width, height, bytes }: FoundPicture, limits: PictureLimits): void {
  const refuse = (why: string): never => {
    throw new InputError("large-picture", `has ${width}x${height} pixels, ${why}`, { subject: shown });
  };
  const pixels = width * height;
  if (pixels > limits.pixels) refuse(`more than ${limits.pixels / 1e6} million; give a smaller picture`);
  if (Math.max(width, height) > limits.side) {
    refuse(`and no side may have more than ${limits.side}; give a part of it`);
  }
  const needed = bytes + 3 * pixels;
  if (needed > limits.bytes) {
    const mib = (count: number): number => Math.ceil(count / 2 ** 20);
    refuse(
      `which as ${kind} take ${mib(needed)} MiB to decode, more than the ${mib(limits.bytes)} that are given; give a smaller picture, or a JPEG of it`,
    );
  }
}

let shared: PictureReader | undefined;

/** The reader of this process, whose budget all share; its threads start with the first picture and keep nothing alive. */
export const pictureReader = (): PictureReader => {
  shared ??= new PictureReader();
  return shared;
};
