import type { ChildProcess } from "node:child_process";
import { Readable } from "node:stream";
import createCommand, { type FfmpegCommand } from "fluent-ffmpeg";
import { TimeStamps } from "./timestamps.js";
import { dyingWithParent, endChild, ffmpegPath, missing } from "./tools.js";
import { LastWords } from "./words.js";

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
  /** Raw pictures, in pieces as they come. */
  onBytes(chunk: Buffer): void;
  /** Time of the next picture, in seconds; one call a picture, in their order, not always before its bytes. */
  onTime(seconds: number): void;
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
  readonly words: LastWords;
  /** Resolves when the process is gone and everything it wrote has been handed over. Never rejects. */
  readonly ended: Promise<DecoderEnd>;
  /** ffmpeg is held by its full pipe until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends the process, drops what it had written; resolves when it is gone. */
  stop(): Promise<void>;
}

/** The parts of fluent-ffmpeg's commands that are not in its types. */
interface Internals extends FfmpegCommand {
  ffmpegProc?: ChildProcess;
  _getArguments(): string[];
  _prepare(done: (error: Error | null, args?: string[]) => void): void;
  _getFfmpegPath(done: (error: Error | null, path: string) => void): void;
  _spawnFfmpeg(
    args: string[],
    options: object,
    onProcess: (child: ChildProcess, ...rings: unknown[]) => void,
    onEnd: (error?: Error, ...rings: unknown[]) => void,
  ): void;
}

/** Starts ffmpeg through fluent-ffmpeg: raw pictures on its standard output, their times on descriptor 3. */
export function startDecoder(options: DecoderOptions): Decoder {
  const words = new LastWords(options.mask);
  const command = build(options);
  const [program, prefix] = dyingWithParent(ffmpegPath(), []);
  let child: ChildProcess | undefined;

  // Its preparation asks ffmpeg for all it can do and fails on versions whose answer it cannot read.
  command._prepare = (done) => done(null, command._getArguments());
  command._getFfmpegPath = (done) => done(null, program);
  const spawn = command._spawnFfmpeg;
  command._spawnFfmpeg = (args, spawnOptions, onProcess, onEnd) => {
    const stdio = [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe", "pipe"];
    const own = { ...spawnOptions, captureStdout: false, stdio };
    spawn.call(command, [...prefix, ...args], own, onProcess, onEnd);
  };

  const ended = new Promise<DecoderEnd>((resolve) => {
    const gone = new Promise<Error | undefined>((settle) => {
      command.on("end", () => settle(undefined));
      // Also how it reports an intended stop.
      command.on("error", (error: Error) => settle(error));
    });
    command.on("stderr", (line: string) => words.add(line));
    command.on("start", () => {
      child = command.ffmpegProc;
      if (!child?.stdout) return;
      const times = new TimeStamps(options.onTime);
      const drained = [closed(child.stdout, options.onBytes), closed(child.stdio[3] as Readable, (c) => times.add(c))];
      const process = child;
      void Promise.all([gone, ...drained]).then(() => resolve({ code: process.exitCode, signal: process.signalCode }));
    });
    void gone.then((error) => {
      if (error && (!child || child.pid === undefined)) resolve({ code: null, signal: null, error: startFault(error) });
      else if (child?.exitCode === 127) resolve({ code: 127, signal: null, error: startFault({ code: "ENOENT" }) });
    });
    command.run();
  });

  const stop = async (): Promise<void> => {
    if (!child) return;
    // That its pipe breaks is our doing, not its fault.
    command.removeAllListeners("stderr");
    child.stdout?.removeAllListeners("data").destroy();
    (child.stdio[3] as Readable | null)?.destroy();
    await endChild(child, options.graceMs);
  };

  return {
    get pid() {
      return child?.pid;
    },
    words,
    ended,
    pause: () => void child?.stdout?.pause(),
    resume: () => void child?.stdout?.resume(),
    stop,
  };
}

function build({ address, stdin, inputOptions, filter, outputOptions }: DecoderOptions): Internals {
  const command = createCommand({ stdoutLines: 100 });
  // Spread, options are taken as they are; the entries of an array would be split at their spaces.
  command
    .input(stdin === undefined ? address : Readable.from([stdin]))
    .inputOptions(...inputOptions)
    .complexFilter(filter, "out")
    .output("pipe:1")
    .outputOptions(...outputOptions);
  return command as Internals;
}

const startFault = (cause: unknown): Error => missing("ffmpeg", ffmpegPath(), cause);

/** Hands over what a pipe gives; resolves when it is closed, by its end or by us. */
function closed(stream: Readable, onData: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve) => {
    stream.on("data", onData);
    stream.once("close", resolve);
    // A broken pipe shows in how the process ends.
    stream.on("error", () => {});
  });
}
