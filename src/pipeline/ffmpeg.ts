import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import createCommand, { type FfmpegCommand } from "fluent-ffmpeg";
import { type ByteSink, type Channel, openChannel } from "./channel.js";
import { TimeStamps } from "./timestamps.js";
import { calm, dyingWithParent, endChild, ffmpegPath, missing } from "./tools.js";
import { LastWords } from "./words.js";

export interface DecoderOptions {
  address: string;
  inputOptions: readonly string[];
  filter: string;
  outputOptions: readonly string[];
  mask: (text: string) => string;
  /** Between SIGTERM and SIGKILL. */
  graceMs: number;
  /** Takes the raw pictures; when it says that it can take no more, ffmpeg is held by its full pipe until `resume`. */
  pictures: ByteSink;
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

/** Of ffmpeg's words, in a tenth of a second. */
const WORDS_BYTES = 65_536;

/** Starts ffmpeg through fluent-ffmpeg: raw pictures on its standard output, their times on descriptor 3. */
export function startDecoder(options: DecoderOptions): Decoder {
  const words = new LastWords(options.mask);
  const command = build(options);
  let channel: Channel | undefined;
  let child: ChildProcess | undefined;
  // That its pipe breaks then is our doing, not its fault.
  let stopping = false;

  const run = async (): Promise<DecoderEnd> => {
    channel = await openChannel(options.pictures);
    const { reader, writer } = channel;
    const drained = [closed(reader)];
    if (stopping) {
      reader.destroy();
      writer.destroy();
      return { code: null, signal: null };
    }
    arrange(command, ["ignore", writer, "pipe", "pipe"]);
    const gone = new Promise<Error | undefined>((settle) => {
      command.on("end", () => settle(undefined));
      // Also how it reports an intended stop.
      command.on("error", (error: Error) => settle(error));
    });
    command.on("start", () => {
      child = command.ffmpegProc;
      // The child has its own; as long as this one is open the stream would not end.
      writer.destroy();
      const said = child?.stderr;
      if (said) {
        calm(said, WORDS_BYTES);
        said.on("data", (text: string) => {
          if (!stopping) words.write(text);
        });
        said.once("close", () => words.end());
      }
      const times = child?.stdio[3] as Readable | null | undefined;
      if (!times) return;
      const stamps = new TimeStamps(options.onTime);
      times.on("data", (chunk: Buffer) => stamps.add(chunk));
      drained.push(closed(times));
    });
    command.run();
    const error = await gone;
    if (error && child?.pid === undefined) return { code: null, signal: null, error: startFault(error) };
    await Promise.all(drained);
    return { code: child?.exitCode ?? null, signal: child?.signalCode ?? null };
  };

  const ended = run()
    .catch((error: Error): DecoderEnd => ({ code: null, signal: null, error }))
    .finally(() => channel?.reader.destroy());

  return {
    get pid() {
      return child?.pid;
    },
    words,
    ended,
    resume: () => void channel?.reader.resume(),
    stop: async () => {
      stopping = true;
      channel?.reader.destroy();
      (child?.stdio[3] as Readable | undefined)?.destroy();
      if (child) await endChild(child, options.graceMs);
      // What it started may still hold it.
      child?.stderr?.destroy();
      await ended;
    },
  };
}

/** Makes the command spawn what it is told, with these descriptors, and nothing before it. */
function arrange(command: Internals, stdio: readonly (string | Socket)[]): void {
  const [program, prefix] = dyingWithParent(ffmpegPath(), []);
  // Its preparation asks ffmpeg for all it can do and fails on versions whose answer it cannot read.
  command._prepare = (done) => done(null, command._getArguments());
  command._getFfmpegPath = (done) => done(null, program);
  const spawn = command._spawnFfmpeg;
  command._spawnFfmpeg = (args, spawnOptions, onProcess, onEnd) => {
    spawn.call(command, [...prefix, ...args], { ...spawnOptions, captureStdout: false, stdio }, onProcess, onEnd);
  };
}

function build({ address, inputOptions, filter, outputOptions }: DecoderOptions): Internals {
  const command = createCommand({ stdoutLines: 100 });
  // Spread, options are taken as they are; the entries of an array would be split at their spaces.
  command
    .input(address)
    .inputOptions(...inputOptions)
    .complexFilter(filter, "out")
    .output("pipe:1")
    .outputOptions(...outputOptions);
  return command as Internals;
}

const startFault = (cause: unknown): Error => missing("ffmpeg", ffmpegPath(), cause);

/** Resolves when a stream is closed, by its end or by us. */
function closed(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    stream.once("close", resolve);
    // A broken pipe shows in how the process ends.
    stream.on("error", () => {});
  });
}
