import { createRequire, syncBuiltinESMExports } from "node:module";

// What would start something fails at once, in the test that does it.
const require = createRequire(import.meta.url);
const childProcess = require("node:child_process") as typeof import("node:child_process");
const net = require("node:net") as typeof import("node:net");
const threads = require("node:worker_threads") as typeof import("node:worker_threads");

/** A function, since it stands for a constructor too. */
const refuse = (what: string) =>
  function refused(): never {
    throw new Error(`a unit test may not ${what}: see UNIT in vitest.config.ts`);
  };

const startProcess = refuse("start a process");
for (const name of ["spawn", "spawnSync", "fork", "exec", "execSync", "execFile", "execFileSync"] as const) {
  Object.assign(childProcess, { [name]: startProcess });
}
Object.assign(net.Server.prototype, { listen: refuse("start a server") });
Object.assign(net.Socket.prototype, { connect: refuse("connect to anything") });
Object.assign(threads, { Worker: refuse("start a thread, which would need the build") });
syncBuiltinESMExports();
