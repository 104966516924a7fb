import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";

/** Folders of programs that a user's PATH may lack: Debian keeps nats-server in /usr/sbin. */
const MORE_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/bin", "/usr/local/bin"];

/** `PATH` with the folders above behind it. */
export function widePath(env = process.env) {
  const own = (env.PATH ?? "").split(path.delimiter).filter(Boolean);
  return [...own, ...MORE_FOLDERS.filter((folder) => !own.includes(folder))].join(path.delimiter);
}

/** Absolute path of a program, or undefined. */
export function findProgram(name, searchPath = widePath()) {
  for (const folder of searchPath.split(path.delimiter)) {
    const file = path.join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

/**
 * What tells a process from a later one with the same number: its start time. Undefined when there is no such process,
 * or only its zombie.
 */
export function startToken(pid) {
  if (existsSync("/proc/self/stat")) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The name in parentheses may hold spaces and parentheses itself; fields count from behind it.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (fields[0] === "Z") return undefined;
      return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}:${fields[19]}`;
    } catch (error) {
      if (error.code === "ENOENT" || error.code === "ESRCH") return undefined;
      throw error;
    }
  }
  const { stdout } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
  return stdout?.trim() || undefined;
}

/** A process as it is written down: number and start time. */
export function identify(pid) {
  return { pid, start: startToken(pid) };
}

/** Whether the process written down still runs; never true for another that got its number. */
export function isAlive(identity) {
  return identity?.start !== undefined && startToken(identity.pid) === identity.start;
}

/** SIGTERM, up to `graceMs` to end, then SIGKILL. Resolves true when it ended by itself. */
export async function stopProcess(identity, graceMs) {
  if (!isAlive(identity)) return true;
  process.kill(identity.pid, "SIGTERM");
  const deadline = Date.now() + graceMs;
  while (Date.now() < deadline) {
    await sleep(50);
    if (!isAlive(identity)) return true;
  }
  if (isAlive(identity)) process.kill(identity.pid, "SIGKILL");
  return false;
}

/** `wanted` when it is free on 127.0.0.1, else the next free one above it. */
export async function freePort(wanted) {
  for (let port = wanted; port < Math.min(wanted + 200, 65536); port++) if (await isFree(port)) return port;
  throw new Error(`No port between ${wanted} and ${wanted + 199} is free on 127.0.0.1; end what listens there.`);
}

export function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
