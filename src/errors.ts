import { redact } from "./redact.js";
import { listed, truncateMiddle } from "./truncate.js";

/** Every code an error of this program can have: by them, and never by its message, errors are told apart. */
// biome-ignore format: one group a line or two
export const ERROR_CODES = [
  // The program itself, and what it was told on its command line or by a configuration or a request.
  "internal", "ledger", "double-release", "config", "request", "name", "range", "target", "label", "stopped", "bench", "bench-film",
  // Files it reads and writes.
  "file-unreadable", "file-too-large", "glob", "npy", "output", "input-missing", "input-shape", "input-value", "not-a-file",
  "empty-folder", "evaluate-labels", "evaluate-mask", "truth",
  // The model and its card.
  "model-card", "model-changed", "model-corrupt", "model-external", "model-format", "model-input", "model-inputs",
  "model-missing", "model-opset", "model-output", "model-outside", "model-quantised", "model-size", "model-type",
  "model-unsupported", "model-weights", "labels-form", "labels-missing", "labels-outside", "labels-count",
  "unknown-rule", "not-finite",
  // What computes: `engine-missing` and `engine-refused` let `auto` take the next engine.
  "engine-died", "engine-failed", "engine-input", "engine-missing", "engine-refused", "unknown-engine", "explaining",
  // Sources: their addresses, what is behind them, and ffmpeg. `unreachable` and `shortage` may pass, and are tried again.
  "address", "source", "unknown-source", "double-source", "missing-file", "unreadable-file", "no-file", "empty-file",
  "input-options", "unreachable", "unreadable-video", "no-video", "no-size", "encrypted", "region", "hardware", "shortage",
  "source-failed", "source-damaged", "ffmpeg-missing", "ffmpeg-old", "no-temporary-folder", "spawner",
  // Pictures and films.
  "unreadable-folder", "no-pictures", "no-picture", "unreadable-picture", "large-picture", "decoding", "no-frame", "cut-off",
  "film-name", "no-encoder", "encoding", "overlay",
  // Where results go. Those ending in `-lost` come when a sink closes.
  "sink", "no-sink", "files-disk", "files-lost", "stdout", "stdout-lost", "stream", "stream-lost", "viewer-listen", "viewer-page", "nats", "nats-ack",
  "nats-connection", "nats-denied", "nats-history", "nats-login", "nats-lost", "nats-server", "nats-silent", "nats-stream", "nats-too-large", "no-stream",
  "metrics-listen",
  // Between a capture and its explain workers.
  "fleet", "fleet-answer", "fleet-frame",
  // Requests to a running worker.
  "busy", "not-allowed", "too-large", "too-many", "name-taken", "stopping",
  // `watch`.
  "watch-host", "watch-login", "watch-name", "watch-reader", "watch-token",
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** What an error is about, as fields, so that nobody takes its message apart to say it otherwise. */
export interface ErrorContext {
  /** Name of the video source. */
  source?: string;
  /** The file in which the fault lies. */
  file?: string;
  /** Grammatical subject of the reason, where the reason begins with its verb: a file, an address, `the request`. */
  subject?: string;
}

/** `source belt: model.onnx: SUBJECT REASON`, of what is known: the only place that words an error. */
const worded = (reason: string, { source, file, subject }: ErrorContext): string =>
  [source && `source ${source}`, file, subject ? `${subject} ${reason}` : reason].filter(Boolean).join(": ");

/**
 * Errors are split by what the reader can do about them. Messages are one sentence: what is wrong, where, what to do. It
 * begins in lower case and has no full stop, so that it can stand alone, in a list or in parentheses.
 */
export class VideoExplainerError extends Error {
  override readonly name: string = "VideoExplainerError";
  /** Process exit code a command ends with when this error reaches it. */
  readonly exitCode: 1 | 2 = 1;
  readonly context: Readonly<ErrorContext>;
  constructor(
    readonly code: ErrorCode,
    /** What is wrong and what to do, without the context. */
    readonly reason: string,
    { cause, ...context }: ErrorContext & { cause?: unknown } = {},
  ) {
    // Names in files may be of any length and hold anything.
    super(bounded(worded(reason, context)), cause === undefined ? undefined : { cause });
    this.context = context;
  }
}

/** The same fault in another context: fields given replace those it has, `undefined` takes one away. */
export function inContext(error: VideoExplainerError, context: ErrorContext): VideoExplainerError {
  const Kind =
    error instanceof ModelError ? ModelError : error instanceof InputError ? InputError : VideoExplainerError;
  return new Kind(error.code, error.reason, { ...error.context, ...context, cause: error });
}

/** What `work` gives; the user's fault that it finds is one of this context. */
export function within<T>(context: ErrorContext, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError) throw inContext(error, context);
    throw error;
  }
}

/** Nobody reads longer ones. */
export const MAX_SENTENCE_CHARACTERS = 2000;

/** Half a secret is not known as one: they are masked before anything is cut. */
const bounded = (message: string): string =>
  message.length > MAX_SENTENCE_CHARACTERS ? truncateMiddle(redact(message), MAX_SENTENCE_CHARACTERS) : message;

/** The user's input (model, configuration, image, video, argument) is wrong. Exit code 2. */
export class InputError extends VideoExplainerError {
  override readonly name: string = "InputError";
  override readonly exitCode = 2 as const;
}

/** A model file cannot be read, or holds something that cannot be explained. */
export class ModelError extends InputError {
  override readonly name = "ModelError";
  constructor(code: ErrorCode, reason: string, { file, subject, ...options }: ErrorContext & { cause?: unknown } = {}) {
    // Names of a damaged file may hold anything, and a sentence stays on one line that can be read.
    super(code, readable(reason), { ...options, file: file && readable(file), subject: subject && readable(subject) });
  }
}

/** Characters of a sentence about a model; its names and lists are cut before it is. */
const MAX_CHARACTERS = { sentence: 800, name: 80, scanned: 20_000 };
const MAX_LISTED_NUMBERS = 8;

/** What stands in a file does not flood a sentence: quoted names are cut inside, lists of numbers after the first few. */
const readable = (message: string): string =>
  truncateMiddle(
    truncateMiddle(message, MAX_CHARACTERS.scanned)
      .replace(/\p{Cc}+/gu, "·")
      .replace(/"([^"]*)"/g, (_, name: string) => `"${truncateMiddle(name, MAX_CHARACTERS.name)}"`)
      .replace(/-?\d[\d.]*(?:(?:, | \+ |x)-?\d[\d.]*){8,}/g, (list) =>
        listed(list.split(/, | \+ |x/), MAX_LISTED_NUMBERS),
      ),
    MAX_CHARACTERS.sentence,
  );

/** One or more faults in a configuration; `faults` holds each, `message` all of them, one a line. */
export class ConfigError extends InputError {
  override readonly name = "ConfigError";
  constructor(readonly faults: readonly ConfigFault[]) {
    const all = faults.map((f) => bounded(f.message)).join("\n");
    super("config", all);
    this.message = all;
  }
}

export interface ConfigFault {
  /** Dotted path, e.g. `sources[0].name`. */
  path: string;
  /** 1-based position in the YAML text, where there is one. */
  line?: number;
  column?: number;
  /** One sentence that already names file, line and column. */
  message: string;
}

/** An error as it crosses a thread: classes do not survive `postMessage`. */
export interface PlainError {
  kind: "ModelError" | "InputError" | "VideoExplainerError";
  code: ErrorCode;
  reason: string;
  context: ErrorContext;
}

export function plainError(error: unknown): PlainError {
  if (!(error instanceof VideoExplainerError))
    return { kind: "VideoExplainerError", code: "internal", reason: reasonOf(error), context: {} };
  const { code, reason, context } = error;
  const kind = error instanceof ModelError ? "ModelError" : error.exitCode === 2 ? "InputError" : "VideoExplainerError";
  return { kind, code, reason, context };
}

const KINDS = { ModelError, InputError, VideoExplainerError };

export const rebuildError = ({ kind, code, reason, context }: PlainError): VideoExplainerError =>
  new KINDS[kind](code, reason, context);

/** The message of whatever was thrown. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
