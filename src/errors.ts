import { redact } from "./redact.js";
import { listed, shortenedInside, withoutMiddle } from "./shortened.js";

/**
 * Errors are split by what the reader can do about them. Messages are one sentence:
 * what is wrong, where, what to do.
 */
export class VideoExplainerError extends Error {
  override readonly name: string = "VideoExplainerError";
  /** Process exit code a command ends with when this error reaches it. */
  readonly exitCode: 1 | 2 = 1;
  constructor(
    readonly code: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    // Names in files may be of any length and hold anything.
    super(bounded(message), options);
  }
}

/** Longer ones nobody reads. */
export const LONGEST_SENTENCE = 2000;

/** Half a secret is not known as one: they are masked before anything is cut. */
const bounded = (message: string): string =>
  message.length > LONGEST_SENTENCE ? withoutMiddle(redact(message), LONGEST_SENTENCE) : message;

/** The user's input (model, configuration, image, video, argument) is wrong. Exit code 2. */
export class InputError extends VideoExplainerError {
  override readonly name: string = "InputError";
  override readonly exitCode = 2 as const;
}

/** A model file cannot be read, or holds something that cannot be explained. */
export class ModelError extends InputError {
  override readonly name = "ModelError";
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    // Names of a damaged file may hold anything, and a sentence stays on one line that can be read.
    super(code, readable(message), options);
  }
}

/** Characters of a sentence about a model; its names and lists are cut before it is. */
const MOST = { sentence: 800, name: 80, numbers: 8, looked: 20_000 };

/** What stands in a file does not flood a sentence: quoted names are cut inside, lists of numbers after the first few. */
const readable = (message: string): string =>
  shortenedInside(
    shortenedInside(message, MOST.looked)
      .replace(/\p{Cc}+/gu, "·")
      .replace(/"([^"]*)"/g, (_, name: string) => `"${shortenedInside(name, MOST.name)}"`)
      .replace(/-?\d[\d.]*(?:(?:, | \+ |x)-?\d[\d.]*){8,}/g, (list) => listed(list.split(/, | \+ |x/), MOST.numbers)),
    MOST.sentence,
  );

/** One or more faults in a configuration; `faults` holds each, `message` all of them, one a line. */
export class ConfigError extends InputError {
  override readonly name = "ConfigError";
  constructor(readonly faults: readonly ConfigFault[]) {
    super("config", "");
    this.message = faults.map((f) => bounded(f.message)).join("\n");
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
  name: string;
  code?: string;
  message: string;
  exitCode?: number;
}

export function plainError(error: unknown): PlainError {
  if (error instanceof VideoExplainerError)
    return { name: error.name, code: error.code, message: error.message, exitCode: error.exitCode };
  return { name: "Error", message: error instanceof Error ? error.message : String(error) };
}

export function rebuildError(plain: PlainError): VideoExplainerError {
  const code = plain.code ?? "internal";
  if (plain.name === "ModelError") return new ModelError(code, plain.message);
  if (plain.exitCode === 2) return new InputError(code, plain.message);
  return new VideoExplainerError(code, plain.message);
}
