// node spawner-process.js, with a channel: starts programs for the worker. To start one, a process is copied, with the tables of
// all its memory: of this one that takes a millisecond, of a worker with a model in it a hundred.
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { setPriority, constants as system } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { dyingWithParent, endChild, onSearchPath, throttle } from "./processes.js";
import { type Command, isNews, type SpawnerAnswer, type SpawnerRequest, type SpawnFault } from "./spawner-messages.js";

/** For the worker to connect what it asked for. */
const CONNECT_MS = 20_000;
const GRACE_MS = 1000;
/** What a device or a file system holds cannot be ended even by force; so long after that it is not waited for any more. */
const UNENDED_MS = 5000;
const STDERR_BYTES = 65_536;
/** Of a program's words, in a tenth of a second. */
const WORDS_BYTES = 262_144;

/** What starts is looked at so often, until it waits at so many looks in a row; not for longer than five seconds. */
const LOOK_MS = 25;
const QUIET_LOOKS = 2;
const MAX_POLLS = 200;

/** Ends a job, whatever it has come to. */
type End = (graceMs: number) => void;
const jobs = new Map<number, End>();

function answer(words: SpawnerAnswer): void {
  if (!isNews(words)) jobs.delete(words.id);
  // Without a worker there is nobody to tell; `disconnect` says so, too.
  if (process.connected) process.send!(words, () => {});
}

const failed = (id: number, error: unknown): void => answer({ kind: "failed", id, fault: faultOf(error) });

function faultOf(error: unknown): SpawnFault {
  const { code = "unknown", message, syscall } = error as NodeJS.ErrnoException;
  return { code, message, syscall };
}

/** Throws what the system says when there is no such program, or it may not be run. */
function place({ program, env }: Command): string {
  const path = program.includes("/") ? program : onSearchPath(program, env.PATH);
  if (path === null) throw Object.assign(new Error(`${program} is not on the search path`), { code: "ENOENT" });
  accessSync(path, constants.X_OK);
  return path;
}

/** Throws, or emits `error`, when the system refuses. */
function begin(command: Command, stdio: SpawnOptions["stdio"]): ChildProcess {
  const [program, args] = dyingWithParent(place(command), command.args);
  const child = spawn(program, args, { env: command.env, stdio });
  if (command.patient && child.pid !== undefined) {
    try {
      setPriority(child.pid, system.priority.PRIORITY_BELOW_NORMAL);
    } catch {
      // It has ended already, or the system does not let it: then it takes its share.
    }
  }
  return child;
}

/** Tells when a program is loaded: it has begun to wait for something. */
function tellLoaded(id: number, child: ChildProcess): void {
  let looks = 0;
  let quiet = 0;
  const timer = setInterval(() => {
    quiet = isWaiting(child.pid!) ? quiet + 1 : 0;
    if (quiet < QUIET_LOOKS && ++looks < MAX_POLLS) return;
    clearInterval(timer);
    answer({ kind: "loaded", id });
  }, LOOK_MS);
  child.once("exit", () => clearInterval(timer));
}

/** Whether a process wants no processor now. Where the system does not tell, it is taken to. */
function isWaiting(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.startsWith("S", stat.lastIndexOf(")") + 2);
  } catch {
    return true;
  }
}

function start({ id, command, descriptors, folder }: Extract<SpawnerRequest, { kind: "start" }>): void {
  const at = mkdtempSync(join(folder, "frames-"));
  const sockets: Socket[] = [];
  const server = createServer({ pauseOnConnect: true });
  const close = (): void => {
    clearTimeout(timer);
    server.close();
    rmSync(at, { recursive: true, force: true });
  };
  const giveUp = (error: unknown): void => {
    close();
    for (const socket of sockets) socket.destroy();
    failed(id, error);
  };
  const timer = setTimeout(() => giveUp(new Error("nothing was connected")), CONNECT_MS);
  jobs.set(id, () => giveUp(new Error("it was let be")));
  server.once("error", giveUp);
  server.on("connection", (socket) => {
    // What is wrong with it shows in the program that has it.
    socket.on("error", () => {});
    if (sockets.push(socket) < descriptors.length) return;
    close();
    try {
      launch(id, command, descriptors, sockets);
    } catch (error) {
      failed(id, error);
    }
    // The program has its own; as long as these are open the worker's would not end.
    for (const own of sockets) own.destroy();
  });
  server.listen(join(at, "channel"), () => answer({ kind: "open", id, path: join(at, "channel") }));
}

function launch(id: number, command: Command, descriptors: readonly number[], sockets: readonly Socket[]): void {
  const stdio: (Socket | "ignore")[] = Array.from({ length: Math.max(2, ...descriptors) + 1 }, () => "ignore");
  for (const [i, descriptor] of descriptors.entries()) stdio[descriptor] = sockets[i]!;
  const child = begin(command, stdio);
  child.once("error", (error) => {
    if (child.pid === undefined) failed(id, error);
  });
  if (child.pid === undefined) return;
  child.once("exit", (code, signal) => answer({ kind: "ended", id, code, signal }));
  jobs.set(id, (graceMs) => void endChild(child, graceMs));
  answer({ kind: "started", id, pid: child.pid });
  tellLoaded(id, child);
}

function run({ id, command, stdin, timeoutMs, maxBytes }: Extract<SpawnerRequest, { kind: "run" }>): void {
  const child = begin(command, [stdin === "" ? "ignore" : "pipe", "pipe", "pipe"]);
  child.once("error", (error) => {
    clearTimeout(timer);
    failed(id, error);
  });
  const [out, err] = [child.stdout, child.stderr] as [Readable | undefined, Readable | undefined];
  const output = { stdout: "", stderr: "", timedOut: false, flooded: false };
  const end = (graceMs: number): void => {
    void endChild(child, graceMs).then(() => {
      // What it started may still hold them.
      out?.destroy();
      err?.destroy();
    });
    setTimeout(() => tell(null, null), graceMs + UNENDED_MS);
  };
  let isTold = false;
  const tell = (code: number | null, signal: NodeJS.Signals | null): void => {
    clearTimeout(timer);
    if (isTold) return;
    isTold = true;
    if (output.flooded) output.stdout = "";
    answer({ kind: "output", id, output: { ...output, code, signal } });
  };
  const timer = setTimeout(() => {
    output.timedOut = true;
    end(GRACE_MS);
  }, timeoutMs);
  // Without them it was not started, which `error` tells.
  if (!out || !err || child.pid === undefined) return;
  jobs.set(id, end);
  // One that does not read is none the worse for it.
  child.stdin?.on("error", () => {});
  child.stdin?.end(stdin);
  tellLoaded(id, child);
  throttle(err, WORDS_BYTES);
  out.setEncoding("utf8").on("data", (text: string) => {
    if (output.flooded) return;
    output.stdout += text;
    output.flooded = output.stdout.length > maxBytes;
    if (output.flooded) end(GRACE_MS);
  });
  err.setEncoding("utf8").on("data", (text: string) => {
    output.stderr = (output.stderr + text).slice(-STDERR_BYTES);
  });
  child.once("close", tell);
}

process.on("message", (request: SpawnerRequest) => {
  try {
    if (request.kind === "start") start(request);
    else if (request.kind === "run") run(request);
    else jobs.get(request.id)?.(request.graceMs);
  } catch (error) {
    failed(request.id, error);
  }
});
// The worker is gone, however it went: nothing of it stays.
process.on("disconnect", () => {
  for (const end of jobs.values()) end(0);
  process.exit();
});
// They go to the whole group, or to all of a service's processes: the worker decides when this one ends.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
