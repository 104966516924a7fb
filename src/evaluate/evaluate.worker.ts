import { parentPort, workerData } from "node:worker_threads";
import { plainError } from "../errors.js";
import { openTasks } from "./tasks.js";
import type { FromWorker, ToWorker, WorkerSettings } from "./worker-messages.js";

const port = parentPort!;
const say = (message: FromWorker): void => port.postMessage(message);

async function start(): Promise<void> {
  const { ready, answer, close } = await openTasks(workerData as WorkerSettings);
  // One at a time: the next comes when the last is answered.
  port.on("message", async (message: ToWorker) => {
    try {
      if (message.kind === "task") return say({ kind: "done", answer: await answer(message.task) });
      await close();
      port.close();
    } catch (error) {
      say({ kind: "failed", error: plainError(error) });
    }
  });
  say(ready);
}

start().catch((error: unknown) => {
  say({ kind: "failed", error: plainError(error) });
  port.close();
});
