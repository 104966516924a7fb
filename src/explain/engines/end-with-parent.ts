import { Worker } from "node:worker_threads";

const WATCH = `const { workerData: parent } = require("node:worker_threads");
setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, "SIGKILL"); }, 200);`;

/** Ends this process when that which started it has ended. Native code may keep the main thread busy for ever: another one sees to it. */
export function endWithParent(): void {
  // Asked here and not by the thread: by the time it has begun the parent may be gone.
  new Worker(WATCH, { eval: true, workerData: process.ppid }).unref();
}
