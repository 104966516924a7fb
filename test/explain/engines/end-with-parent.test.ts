import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../support/folders.js";

const MODULE = new URL("../../../dist/explain/engines/end-with-parent.js", import.meta.url).href;
const LONG_MS = 30_000;

describe.runIf(existsSync("/proc/self"))("a process that ends with its parent", () => {
  it("does so even if its main thread is busy for ever", { timeout: 2 * LONG_MS }, async () => {
    const folder = temporaryFolder();
    const child = join(folder, "child.mjs");
    const busy = `process.send(process.pid); setTimeout(() => { for (;;); }, 500);`;
    writeFileSync(child, `import { endWithParent } from ${JSON.stringify(MODULE)}; endWithParent(); ${busy}`);
    const asks = `require("node:child_process").fork(process.argv[1]).on("message", (pid) => console.log(pid));`;
    const parent = spawn(process.execPath, ["-e", asks, child], { stdio: ["ignore", "pipe", "inherit"] });
    const [text] = (await once(parent.stdout!, "data")) as [Buffer];
    const pid = Number(text);
    parent.kill("SIGKILL");
    try {
      for (let waited = 0; existsSync(`/proc/${pid}`) && waited < LONG_MS; waited += 100) await setTimeout(100);
      expect(existsSync(`/proc/${pid}`)).toBe(false);
    } finally {
      if (existsSync(`/proc/${pid}`)) process.kill(pid, "SIGKILL");
    }
  });
});
