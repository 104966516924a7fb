import { setTimeout as sleep } from "node:timers/promises";
import { VideoExplainerError } from "../errors.js";
import type { Decoder, DecoderEnd } from "../ffmpeg/decoder.js";
import { StderrTail } from "../ffmpeg/log-lines.js";
import { FILE_LIMITS, pictureReader } from "../pictures/reader.js";
import type { PictureTarget } from "../pictures/worker-messages.js";
import type { PictureSink } from "./assembler.js";
import type { Slab } from "./slabs.js";
import { shownPath } from "./sources/local.js";

/** Still pictures, shown one after the other. */
export interface Stills {
  paths: readonly string[];
  /** How long each is shown. */
  seconds: number;
  /** Each waits until it is due; otherwise they come as fast as they are taken. */
  paced: boolean;
  /** Round and round. */
  loop: boolean;
  target: PictureTarget;
}

/** Pictures that are decoded while the one before them is waited for. */
const AHEAD = 3;

interface Coming {
  at: number;
  path: string;
  slab: Slab | undefined;
  /** Why it cannot be read; undefined once it lies in its slab. */
  fault: Promise<Error | undefined>;
}

/** Shows pictures as ffmpeg shows a film: in their order, held while there is no slab for them. One that cannot be read costs itself. */
export function showPictures(
  { paths, seconds, paced, loop, target }: Stills,
  mask: (text: string) => string,
  sink: PictureSink,
  onUnreadable: (why: string) => void,
): Decoder {
  const stderrTail = new StderrTail(mask);
  const reported = new Set<string>();
  const stop = new AbortController();
  const { signal } = stop;
  let wake = (): void => {};
  let begun: number | undefined;

  /** Undefined: there is none, and the picture is lost. */
  async function room(): Promise<Slab | undefined> {
    while (!signal.aborted) {
      const slab = sink.acquire();
      if (slab || !sink.waits) return slab;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return undefined;
  }

  const begin = (at: number, slab: Slab | undefined): Coming => {
    const path = paths[at % paths.length]!;
    return { at, path, slab, fault: slab ? read(path, slab) : Promise.resolve(undefined) };
  };

  const read = (path: string, slab: Slab): Promise<Error | undefined> =>
    pictureReader()
      .read(path, shownPath(path), FILE_LIMITS, () => ({ ...target, memory: () => slab.memory }))
      .then(
        ({ grant }) => void grant.release(),
        (error: Error) => error,
      );

  async function due(at: number): Promise<void> {
    begun ??= performance.now();
    if (!paced) return;
    const wait = begun + at * seconds * 1000 - performance.now();
    if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => {});
  }

  function complain(fault: Error): void {
    // A thread that ended says nothing of the file.
    const why = fault instanceof VideoExplainerError ? fault.message : `a picture cannot be decoded: ${fault.message}`;
    if (!reported.has(why)) stderrTail.add(`[error] ${why}`);
    if (reported.size < paths.length) reported.add(why);
    onUnreadable(why);
  }

  async function run(): Promise<DecoderEnd> {
    const coming: Coming[] = [];
    let next = 0;
    let shown = 0;
    for (;;) {
      while (!signal.aborted && coming.length < AHEAD && (loop || next < paths.length)) {
        // What is there already must not wait for the room of what follows.
        if (coming.length > 0 && !sink.hasRoom) break;
        coming.push(begin(next++, await room()));
      }
      const picture = coming.shift();
      if (!picture) break;
      const { at, slab } = picture;
      const fault = await picture.fault;
      if (!signal.aborted) await due(at);
      if (slab && (fault || signal.aborted)) sink.giveBack(slab);
      if (signal.aborted) continue;
      if (fault) complain(fault);
      else sink.add(slab, at * seconds);
      if (!fault) shown++;
      if (at % paths.length < paths.length - 1) continue;
      // In a whole round none could be read; to look again at once would only heat the processor.
      if (shown === 0 && loop) stop.abort();
      shown = 0;
    }
    return { code: 0, signal: null };
  }

  const ended = run().catch((error: Error): DecoderEnd => ({ code: null, signal: null, error }));

  return {
    pid: undefined,
    stderrTail,
    ended,
    resume: () => wake(),
    stop: async () => {
      stop.abort();
      wake();
      await ended;
    },
  };
}
