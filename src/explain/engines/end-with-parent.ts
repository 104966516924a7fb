import { Worker } from "node:worker_threads";

const WATCH = `const parent = process.ppid;
setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, "SIGKILL"); }, 200);`;

/** Ends this process when that which started it has ended. Native code may keep the main thread busy for ever: another one sees to it. */
export function endWithParent(): void {
  new Worker(WATCH, { eval: true }).unref();
}
