#!/usr/bin/env node
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { learnSecrets } from "../redact.js";
import { packageVersion } from "../version.js";
import { errorLines, exitCodeOf } from "./errors.js";

interface CommandEntry {
  name: string;
  summary: string;
  /** Only the command that runs is loaded: `--help` does not wait for ffmpeg, NATS or a model engine. */
  load: () => Promise<Command>;
}

/** One line registers a command. */
const COMMANDS: readonly CommandEntry[] = [
  {
    name: "run",
    summary: "the worker: explain every source of a configuration",
    load: async () => (await import("./run.js")).runCommand(),
  },
  {
    name: "explain",
    summary: "explain pictures and films: heat drawn on them, a summary a frame",
    load: async () => (await import("./explain.js")).explainCommand(),
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
    name: "watch",
    summary: "follow the topics in the terminal, or as the live page",
    load: async () => (await import("./watch.js")).watchCommand(),
  },
  {
    name: "bench",
    summary: "measure throughput, latency and the cost of explaining",
    load: async () => (await import("./bench.js")).benchCommand(),
  },
  {
    name: "validate",
    summary: "check a configuration and print it with its defaults",
    load: async () => (await import("./validate.js")).validateCommand(),
  },
];

const EXAMPLE = `
Examples:
  $ video-explainer validate config/demo.yaml
  $ video-explainer run config/demo.yaml
  $ video-explainer help validate

Exit codes: 0 done, 1 failed at run time, 2 the input is wrong.`;

/** How long what is left over may keep the process alive after its command has ended. */
const LINGER_MS = 3000;

/** commander's errors come back as exceptions, printed in one place. */
function takeOver(command: Command): Command {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const child of command.commands) takeOver(child);
  return command;
}

/** Arguments that are secret for the option that they follow. */
const argumentSecrets = (args: readonly string[]): { token: string | undefined }[] =>
  args.flatMap((arg, i) => {
    const found = /^--(?:token|password)(?:=(.*))?$/s.exec(arg);
    return found ? [{ token: found[1] ?? args[i + 1] }] : [];
  });

/** The command that the arguments name, if there is such a one. */
function commandOf(args: readonly string[]): string | undefined {
  const operands = args.filter((arg) => !arg.startsWith("-"));
  const wanted = operands[0] === "help" ? operands[1] : operands[0];
  return COMMANDS.find(({ name }) => name === wanted)?.name;
}

async function createProgram(wanted: string | undefined): Promise<Command> {
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

/**
 * Runs the program with these arguments (without node and script) and resolves to its exit code. Errors are printed
 * on stderr, one sentence each. A command that ends well but with a finding of its own sets `process.exitCode`.
 */
export async function main(args: readonly string[]): Promise<number> {
  const end = args.indexOf("--");
  const verbose = (end < 0 ? args : args.slice(0, end)).includes("--verbose");
  const wanted = commandOf(args);
  learnSecrets([args, argumentSecrets(args)], true);
  try {
    const program = await createProgram(wanted);
    await program.parseAsync(args, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    const command = wanted === undefined ? "video-explainer" : `video-explainer ${wanted}`;
    for (const line of errorLines(error, verbose, command)) process.stderr.write(`${line}\n`);
    return exitCodeOf(error);
  }
}

function run(): void {
  const args = process.argv.slice(2);
  const fail = (error: unknown): void => {
    for (const line of errorLines(error, args.includes("--verbose"))) process.stderr.write(`${line}\n`);
    process.exit(1);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") fail(error);
    // `| head` has read enough. A command that listens itself decides for itself.
    if (process.stdout.listenerCount("error") === 1) process.exit(0);
  });
  process.stderr.on("error", () => process.exit(1));
  void main(args).then((code) => {
    process.exitCode = code;
    setTimeout(() => process.exit(code), LINGER_MS).unref();
  });
}

const invoked = process.argv[1];
if (invoked !== undefined && realpathSync(invoked) === fileURLToPath(import.meta.url)) run();
