import { parentPort } from "node:worker_threads";
import sharp from "sharp";
import { compose } from "./compose.js";
import { decode, type Encoded, look, Unreadable } from "./decode.js";
import type { FromWorker, ToWorker } from "./worker-messages.js";

const port = parentPort!;
// Pictures never come again: a cache would only hold old ones. One thread a picture, several pictures at a time.
sharp.cache(false);
sharp.concurrency(1);

let picture: Encoded | undefined;

async function answer(message: ToWorker): Promise<FromWorker> {
  if (message.kind === "read") {
    picture = await look(message.from);
    return { kind: "found", found: picture.found };
  }
  const encoded = picture;
  picture = undefined;
  if (message.kind === "write")
    await compose(await decode(encoded!, message.target.behind), message.target, message.memory);
  return { kind: "done" };
}

port.on("message", (message: ToWorker) => {
  answer(message).then(
    (reply) => port.postMessage(reply),
    (error: unknown) => {
      picture = undefined;
      const what = error instanceof Unreadable ? error.message : `its decoder failed (${String(error).split("\n")[0]})`;
      port.postMessage({ kind: "failed", what } satisfies FromWorker);
    },
  );
});
