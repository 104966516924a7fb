import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { childEnvironment } from "../../child-environment.js";

/**
 * Starts a script of this program for what may end the process that it happens in, take too long, or write to the terminal. It answers by
 * one message, or is killed after `limitMs`. Node is given what this one is: how much memory it may take, say.
 */
export function startOwn(script: URL, args: readonly string[], limitMs: number): ChildProcess {
  const { NODE_OPTIONS } = process.env;
  const env = { ...childEnvironment(), ...(NODE_OPTIONS ? { NODE_OPTIONS } : {}) };
  const limit = { timeout: limitMs, killSignal: "SIGKILL" } as const;
  return fork(fileURLToPath(script), args, { env, ...limit, execArgv: [], stdio: ["ignore", "ignore", "pipe", "ipc"] });
}
