import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { isRunning, until } from "../pipeline/helpers.js";

test("a worker that is killed leaves no ffmpeg behind, not even one that is held by a full pipe", async () => {
  const dist = pathToFileURL(resolve(import.meta.dirname, "../../dist")).href;
  const script = `
    const { Ledger, openSource } = await import("${dist}/pipeline/index.js");
    const { sourceSchema } = await import("${dist}/config/schema.js");
    const open = (config) =>
      openSource(
        sourceSchema.parse(config),
        { inputWidth: 224, inputHeight: 224, fit: "stretch", baseDir: "assets/media", slabs: 3 },
        new Ledger(config.name),
      );
    const sources = [open({ name: "film", url: "bottles.mp4" }), open({ name: "camera", url: "testsrc" })];
    setInterval(() => {
      if (sources[0].isFull && sources[1].queued > 0) console.log(sources.map((s) => s.pid).join(" "));
    }, 50);
  `;
  const worker = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: worker.stdout }), "line")) as [string];
  const pids = line.split(" ").map(Number);
  expect(pids.map(isRunning)).toEqual([true, true]);
  worker.kill("SIGKILL");
  await until(() => !pids.some(isRunning), "both are gone");
  expect(pids.map(isRunning)).toEqual([false, false]);
});
