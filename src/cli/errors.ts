import { inspect } from "node:util";
import { CommanderError } from "commander";
import { ConfigError, MAX_SENTENCE_CHARACTERS, VideoExplainerError } from "../errors.js";
import { oneLine } from "../log.js";
import { redact } from "../redact.js";
import { truncateMiddle } from "../truncate.js";

/** Of `--verbose`. */
const MAX_STACK_CHARACTERS = 100_000;
const PROGRAM = "video-explainer";

const sentence = (text: string): string => truncateMiddle(oneLine(redact(text)), MAX_SENTENCE_CHARACTERS);
const lineOf = (text: string): string => `${PROGRAM}: ${sentence(text)}`;

/** commander's `error: unknown option '--jsn'\n(Did you mean --json?)` as one sentence. */
function usage(error: CommanderError, command: string): string {
  const [first = "", ...rest] = error.message.split("\n");
  const hint = /^\(Did you mean (?:one of )?(.*)\?\)$/.exec(rest.join(" ").trim())?.[1];
  const wrong = first.replace(/^error: /, "").replace(/\.$/, "");
  return lineOf(hint ? `${wrong}; did you mean ${hint}?` : `${wrong}; see ${command} --help`);
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `unexpected failure: ${typeof error === "string" ? error : inspect(error)}`;
  if (error instanceof VideoExplainerError) return error.message;
  const inner =
    error instanceof AggregateError ? error.errors.map((e) => (e instanceof Error ? e.message : String(e))) : [];
  const text = [error.message, ...inner].filter(Boolean).join(": ") || error.name;
  return `unexpected failure: ${text}; run again with --verbose for details`;
}

/** 0, 1 or 2: what the process ends with when this was thrown. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof VideoExplainerError ? error.exitCode : 1;
}

/** What to print on stderr: one line an error, one a fault of a configuration; with `verbose` the stack too. `command` is whose help is named. */
export function errorLines(error: unknown, verbose: boolean, command = PROGRAM): string[] {
  if (error instanceof CommanderError)
    return error.exitCode === 0 || error.code === "commander.help" ? [] : [usage(error, command)];
  const lines =
    error instanceof ConfigError
      ? error.faults.map((fault) => (fault.line === undefined ? lineOf(fault.message) : sentence(fault.message)))
      : [lineOf(messageOf(error))];
  if (verbose) lines.push(truncateMiddle(redact(inspect(error)), MAX_STACK_CHARACTERS));
  return lines;
}
