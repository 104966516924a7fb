// The real worker, which ends in the middle of a request when its caption says so.
import { parentPort } from "node:worker_threads";

await import("../../dist/overlay/overlay.worker.js");
parentPort.on("message", ({ request }) => {
  if (request?.caption.label === "die") throw new Error("out of luck");
  if (request?.caption.label === "leave") process.exit(7);
});
