#!/usr/bin/env node
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { hearLibraries } from "./library-output.js";
import { leave, onSignal, signalCode } from "./signals.js";

interface CommandEntry {
  name: string;
  summary: string;
  /** Only the command that runs is loaded: `--help` does not wait for ffmpeg, NATS or a model engine. */
  load: () => Promise<Command>;
  /**
   * Exit code of a signal before the command has begun; `signal`: what a shell makes of it. Without, signals end the
   * process as they do by default until all is done: its work may keep a handler from being called for long.
   */
  stopped?: 0 | "signal";
}

/** One line registers a command. */
const COMMANDS: readonly CommandEntry[] = [
  {
    name: "run",
    summary: "the worker: explain every source of a configuration",
    load: async () => (await import("./run.js")).runCommand(),
    stopped: 0,
  },
  {
    name: "explain",
    summary: "explain pictures and films: heat drawn on them, a summary a frame",
    load: async () => (await import("./explain.js")).explainCommand(),
    stopped: "signal",
  },
  {
    name: "attribute",
    summary: "explain one tensor or image: a relevance map and scores",
    load: async () => (await import("./attribute.js")).attributeCommand(),
  },
  {
    name: "compile",
    summary: "write a model with its explanation as one standard ONNX file",
    load: async () => (await import("./compile.js")).compileCommand(),
  },
  {
    name: "inspect",
    summary: "show a model layer by layer, with its costs and rules",
    load: async () => (await import("./inspect.js")).inspectCommand(),
  },
  {
    name: "models",
    summary: "list the models in a folder, what is known of each, and write their cards",
    load: async () => (await import("./models.js")).modelsCommand(),
  },
  {
    name: "evaluate",
    summary: "measure how good the explanations of a model are on your images",
    load: async () => (await import("./evaluate.js")).evaluateCommand(),
    stopped: "signal",
  },
  {
    name: "watch",
    summary: "follow the topics in the terminal, or as the live page",
    load: async () => (await import("./watch.js")).watchCommand(),
    stopped: "signal",
  },
  {
    name: "bench",
    summary: "measure throughput, latency and the cost of explaining",
    load: async () => (await import("./bench.js")).benchCommand(),
    stopped: "signal",
  },
  {
    name: "validate",
    summary: "check a configuration and print it with its defaults",
    load: async () => (await import("./validate.js")).validateCommand(),
  },
  {
    name: "permissions",
    summary: "print what the NATS user of a configuration must be allowed",
    load: async () => (await import("./permissions.js")).permissionsCommand(),
  },
];

const EXAMPLE = `
Examples:
  $ video-explainer validate config/demo.yaml
  $ video-explainer run config/demo.yaml
  $ video-explainer help validate

Exit codes: 0 done, 1 failed at run time, 2 the input is wrong.`;

/** commander's errors come back as exceptions, printed in one place. */
function takeOver(command: Command): Command {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const child of command.commands) takeOver(child);
  return command;
}

/** Addresses among the arguments, `--option=address` too, and what is secret for the option that it follows. */
const argumentSecrets = (args: readonly string[]): (string | { token: string | undefined })[] =>
  args.flatMap((arg, i) => {
    const [, option, value] = /^--([\w-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    const isSecret = option === "token" || option === "password";
    return [value ?? arg, ...(isSecret ? [{ token: value ?? args[i + 1] }] : [])];
  });

/** The command that the arguments name, if there is such a one. */
function commandOf(args: readonly string[]): CommandEntry | undefined {
  const operands = args.filter((arg) => !arg.startsWith("-"));
  const wanted = operands[0] === "help" ? operands[1] : operands[0];
  return COMMANDS.find(({ name }) => name === wanted);
}

async function createProgram(wanted: string | undefined): Promise<Command> {
  const [{ Command }, { packageVersion }] = await Promise.all([import("commander"), import("../version.js")]);
  const program = new Command("video-explainer")
    .description("Explains, live, what an image classifier sees in camera and video streams.")
    .version(packageVersion(), "--version", "print the version")
    .option("--verbose", "print the stack of an error")
    .helpOption("-h, --help", "show help")
    .addHelpText("after", EXAMPLE);
  for (const { name, summary, load } of COMMANDS) {
    program.addCommand(name === wanted ? (await load()).summary(summary) : new Command(name).summary(summary));
  }
  return takeOver(program);
}

/** The lines of an error; failing to write them is no second error. */
async function report(error: unknown, verbose: boolean, command?: string): Promise<number> {
  const { errorLines, exitCodeOf } = await import("./errors.js");
  for (const line of errorLines(error, verbose, command)) process.stderr.write(`${line}\n`);
  return exitCodeOf(error);
}

/**
 * Runs the program with these arguments (without node and script) and resolves to its exit code. Errors are printed
 * on stderr, one sentence each. A command that ends well but with a finding of its own sets `process.exitCode`.
 */
export async function main(args: readonly string[]): Promise<number> {
  const end = args.indexOf("--");
  const verbose = (end < 0 ? args : args.slice(0, end)).includes("--verbose");
  const wanted = commandOf(args)?.name;
  const { learnSecrets } = await import("../redact.js");
  learnSecrets(argumentSecrets(args), true);
  try {
    const program = await createProgram(wanted);
    await program.parseAsync(args, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error, verbose, wanted === undefined ? undefined : `video-explainer ${wanted}`);
  }
}

function run(): void {
  const args = process.argv.slice(2);
  const stopped = commandOf(args)?.stopped;
  // A worker has not read its configuration yet: there is nothing to be read anew.
  const onReload = stopped === 0 ? () => {} : undefined;
  if (stopped !== undefined)
    onSignal((signal) => process.exit(stopped === "signal" ? signalCode(signal) : stopped), onReload);
  const fail = (error: unknown): void => {
    void report(error, args.includes("--verbose")).finally(() => process.exit(1));
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A command that listens itself decides for itself.
    if (process.stdout.listenerCount("error") > 1) return;
    // `| head` has read enough.
    if (error.code === "EPIPE") process.exit(0);
    fail(error);
  });
  hearLibraries((text) => void process.stderr.write(`video-explainer: ${text}\n`));
  // There is no reader any more; the work is done all the same.
  process.stderr.on("error", () => {});
  void main(args).then(leave);
}

const invoked = process.argv[1];
if (invoked !== undefined && realpathSync(invoked) === fileURLToPath(import.meta.url)) run();
