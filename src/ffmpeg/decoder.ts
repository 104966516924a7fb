import type { Socket } from "node:net";
import { type ByteSink, type Child, startChild } from "./children.js";
import { ffmpegArguments } from "./command.js";
import type { Haste } from "./gate.js";
import { StderrTail } from "./log-lines.js";
import { throttle } from "./processes.js";
import { TimeStamps } from "./timestamps.js";
import { ffmpegPath, startFault } from "./version.js";

export interface DecoderOptions {
  address: string;
  /** Text for ffmpeg's standard input. */
  stdin?: string;
  inputOptions: readonly string[];
  filter: string;
  outputOptions: readonly string[];
  mask: (text: string) => string;
  /** Between SIGTERM and SIGKILL. */
  graceMs: number;
  haste: Haste;
  /** Takes the raw pictures; when it says that it can take no more, ffmpeg is held by its full pipe until `resume`. */
  pictures: ByteSink;
  /** Time of the next picture, in seconds; one call a picture, in their order, not always before its bytes. */
  onTime(seconds: number): void;
  /** ffmpeg runs; it may have had to wait for others. */
  onStart(): void;
}

export interface DecoderEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Why it could not even start. */
  error?: Error;
}

/** One run of ffmpeg. It is never run a second time. */
export interface Decoder {
  readonly pid: number | undefined;
  readonly stderrTail: StderrTail;
  /** Resolves when the process is gone and everything it wrote has been handed over. Never rejects. */
  readonly ended: Promise<DecoderEnd>;
  resume(): void;
  /** Ends the process, drops what it had written; resolves when it is gone. */
  stop(): Promise<void>;
}

/** Of ffmpeg's standard error, in a tenth of a second. */
const WORDS_BYTES = 65_536;

/** Starts an ffmpeg: raw pictures on its standard output, their times on descriptor 3. */
export function startDecoder(options: DecoderOptions): Decoder {
  const stderrTail = new StderrTail(options.mask);
  const program = ffmpegPath();
  const stopped = new AbortController();
  let child: Child | undefined;

  const run = async (): Promise<DecoderEnd> => {
    const descriptors = [1, 2, 3] as const;
    const wanted = new Map<number, ByteSink | null>([[1, options.pictures], ...[2, 3].map((d) => [d, null] as const)]);
    if (options.stdin !== undefined) wanted.set(0, null);
    const { address, inputOptions, filter, outputOptions } = options;
    const parts = { input: address, inputOptions, filter: { graph: filter }, output: "pipe:1", outputOptions };
    child = await startChild(
      { program, args: ffmpegArguments(parts), haste: options.haste, signal: stopped.signal },
      wanted,
    );
    if (stopped.signal.aborted) {
      // Stopped at the very moment of its start: `stop` knew no child yet.
      await child.end(options.graceMs);
      throw stopped.signal.reason;
    }
    const { sockets } = child;
    const [pictures, stderr, times] = descriptors.map((descriptor) => sockets.get(descriptor)!) as [
      Socket,
      Socket,
      Socket,
    ];
    options.onStart();
    sockets.get(0)?.end(options.stdin ?? "");
    throttle(stderr, WORDS_BYTES);
    stderr.setEncoding("utf8").on("data", (text: string) => {
      // That its pipe breaks then is our doing, not its fault.
      if (!stopped.signal.aborted) stderrTail.write(text);
    });
    stderr.once("close", () => stderrTail.end());
    const stamps = new TimeStamps(options.onTime);
    times.on("data", (chunk: Buffer) => stamps.add(chunk));
    const drained = [pictures, times, stderr].map(closed);
    const end = await child.ended;
    await Promise.all(drained);
    return end;
  };

  const ended = run()
    .catch((error: Error): DecoderEnd => {
      const end = { code: null, signal: null };
      return stopped.signal.aborted ? end : { ...end, error: startFault("ffmpeg", program, error) };
    })
    .finally(() => {
      for (const socket of child?.sockets.values() ?? []) socket.destroy();
    });

  return {
    get pid() {
      return child?.pid;
    },
    stderrTail,
    ended,
    resume: () => void child?.sockets.get(1)?.resume(),
    stop: async () => {
      stopped.abort();
      child?.sockets.get(1)?.destroy();
      child?.sockets.get(3)?.destroy();
      await child?.end(options.graceMs);
      // What it started may still hold it.
      child?.sockets.get(2)?.destroy();
      await ended;
    },
  };
}

/** Resolves when a socket is closed, by its end or by us. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
