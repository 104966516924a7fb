import { parentPort } from "node:worker_threads";
import { createPainter, overlayError } from "./painter.js";
import type { FromWorker, ToWorker } from "./worker-messages.js";

const port = parentPort!;
const say = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
const painter = createPainter();

// Requests are painted one after the other: they share the painter's buffer.
let last: Promise<void> = painter.warm().then(() => say({ kind: "ready" }));

port.on("message", (message: ToWorker) => {
  last = last.then(async () => {
    if (message.kind === "close") return port.close();
    const { id, request } = message;
    try {
      const result = await painter.paint(request);
      const arrays = [result.overlay, result.original, result.heatmap].filter((array) => array !== undefined);
      say(
        { kind: "done", id, result },
        arrays.map((array) => array.buffer as ArrayBuffer),
      );
    } catch (error) {
      say({ kind: "failed", id, message: overlayError(error).message });
    }
  });
});
