import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { childEnvironment } from "../../child-environment.js";

/**
 * Starts a script of this program for what may end the process that it happens in, take too long, or write to the terminal. It answers by
 * one message. Node is given what this one is: how much memory it may take, say.
 */
export function startOwn(script: URL, args: readonly string[]): ChildProcess {
  const { NODE_OPTIONS } = process.env;
  const env = { ...childEnvironment(), ...(NODE_OPTIONS ? { NODE_OPTIONS } : {}) };
  return fork(fileURLToPath(script), args, { env, execArgv: [], stdio: ["ignore", "ignore", "pipe", "ipc"] });
}
