import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { childEnvironment } from "../child-environment.js";
import { spawnerPid } from "../ffmpeg/spawner.js";

/** Processor time so far, in milliseconds. */
export interface Cpu {
  /** Of this process, all threads. */
  own: number;
  /** Of ffmpeg: runs that have ended and the one that decodes now; null where the system does not tell. */
  decoder: number | null;
}

let measuredTickMs: number | undefined;

/** What Linux counts processor time in; null on other systems. Asked once. */
function clockTickMs(): number | null {
  if (process.platform !== "linux") return null;
  try {
    measuredTickMs ??=
      1000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8", env: childEnvironment() }));
  } catch {
    measuredTickMs = 10;
  }
  return measuredTickMs;
}

/** Fields of `/proc/PID/stat` behind the name, which may hold spaces; the first is the state, field 3 of proc(5). */
function stat(pid: number): number[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
  } catch {
    return null;
  }
}

/** `decoder`: the process that decodes now. Others that the spawner started count only once they have ended. */
export function cpuNow(decoder: number | undefined): Cpu {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1000;
  const spawner = spawnerPid();
  const parent = spawner === undefined ? null : stat(spawner);
  const tickMs = clockTickMs();
  if (tickMs === null || !parent) return { own, decoder: null };
  const [utime, stime, cutime, cstime] = [11, 12, 13, 14] as const;
  const running = decoder === undefined ? null : stat(decoder);
  const ticks = parent[cutime]! + parent[cstime]! + (running ? running[utime]! + running[stime]! : 0);
  return { own, decoder: ticks * tickMs };
}

/** Most memory that a process has had in RAM so far, in bytes; null where the system does not tell. */
export function peakMemory(pid: number | undefined): number | null {
  if (pid === undefined || process.platform !== "linux") return null;
  try {
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  } catch {
    return null;
  }
}
