import { pino } from "pino";
import { isSecretKey, MASK, redact } from "./redact.js";
import { truncateMiddle } from "./truncate.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

type Write = (message: string, fields?: Record<string, unknown>) => void;

/** Where every part of the program says what is unexpected. Credentials in messages and fields are masked. */
export interface Logger {
  debug: Write;
  info: Write;
  warn: Write;
  error: Write;
}

export interface LogOptions {
  level: LogLevel;
  /** Readable lines instead of JSON lines. Default: when the output is a terminal. */
  pretty?: boolean;
  /** Default: stderr. */
  output?: { write(line: string): unknown };
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const COLOURS: Record<LogLevel, string> = { debug: "90", info: "36", warn: "33", error: "31" };
const MAX_DEPTH = 6;

/** Longer texts are of files and peers, and fill disks. */
const MAX_TEXT_CHARACTERS = 8000;
const text = (written: string): string => truncateMiddle(redact(written), MAX_TEXT_CHARACTERS);

/** A copy of a field that holds no credentials, no cycles and nothing JSON cannot say. */
function clean(value: unknown, verbose: boolean, depth = 0): unknown {
  if (typeof value === "string") return text(value);
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "[…]";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString();
  if (value instanceof Error) return cleanError(value, verbose, depth);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => clean(item, verbose, depth + 1));
  if (value instanceof URL) return redact(value.href);
  const pairs =
    value instanceof Map ? [...value].map(([key, item]) => [String(key), item] as const) : Object.entries(value);
  return Object.fromEntries(
    pairs.map(([key, item]) => [key, isSecretKey(key) && item != null ? MASK : clean(item, verbose, depth + 1)]),
  );
}

function cleanError(error: Error, verbose: boolean, depth: number): Record<string, unknown> {
  const { code } = error as NodeJS.ErrnoException;
  return {
    name: error.name,
    message: text(error.message),
    ...(code === undefined ? {} : { code }),
    ...(error.cause === undefined ? {} : { cause: clean(error.cause, verbose, depth + 1) }),
    ...(verbose && error.stack ? { stack: text(error.stack) } : {}),
  };
}

/** One line, without what could steer a terminal: messages carry the words of cameras and servers. */
export const oneLine = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();

function prettyField(value: unknown): string {
  if (typeof value === "string") return /^[\w./:@*+-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
}

function prettyWriter(output: { write(line: string): unknown }, level: LogLevel, colour: boolean): Write {
  return (message, fields) => {
    const time = new Date().toISOString().slice(11, 23);
    const name = level.padEnd(5);
    const shown = Object.entries(fields ?? {}).filter(([, value]) => value !== undefined);
    const parts = [message, ...shown.map(([key, value]) => `${key}=${prettyField(value)}`)].map(oneLine);
    const head = colour ? `\u001b[90m${time}\u001b[0m \u001b[${COLOURS[level]}m${name}\u001b[0m` : `${time} ${name}`;
    output.write(`${head} ${parts.join("  ")}\n`);
  };
}

/** A logger: readable lines on a terminal, else JSON lines with `time`, `level` and `msg`. */
export function createLogger(options: LogOptions): Logger {
  const { level, output } = options;
  const pretty = options.pretty ?? (output === undefined && process.stderr.isTTY === true);
  const verbose = level === "debug";
  const writers = pretty ? prettyWriters(output ?? process.stderr) : jsonWriters(level, output);
  const write = (at: LogLevel): Write => {
    if (LEVELS.indexOf(at) < LEVELS.indexOf(level)) return () => {};
    return (message, fields) =>
      writers[at](text(message), fields && (clean(fields, verbose) as Record<string, unknown>));
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

function prettyWriters(output: { write(line: string): unknown }): Record<LogLevel, Write> {
  const colour = (output as { isTTY?: boolean }).isTTY === true && !process.env.NO_COLOR;
  const entries = LEVELS.map((level) => [level, prettyWriter(output, level, colour)]);
  return Object.fromEntries(entries) as Record<LogLevel, Write>;
}

function jsonWriters(level: LogLevel, output?: { write(line: string): unknown }): Record<LogLevel, Write> {
  // Synchronous: the last words before an exit must not be lost, and a healthy worker logs little.
  const destination = output ? { write: (line: string) => void output.write(line) } : standardError();
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(options, destination);
  const writer =
    (at: LogLevel): Write =>
    (message, fields) =>
      logger[at](fields ?? {}, message);
  return { debug: writer("debug"), info: writer("info"), warn: writer("warn"), error: writer("error") };
}

/** Lines that wait for room on a full disk; beyond them the log has a gap. */
const LOG_WAITING_BYTES = 1024 * 1024;

function standardError() {
  const destination = pino.destination({ dest: 2, sync: true, maxLength: LOG_WAITING_BYTES });
  // A terminal that was closed, a full disk: there is no reader, and the work must not end for it.
  destination.on("error", () => {});
  return destination;
}

/** Says nothing: for tests and library use. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
