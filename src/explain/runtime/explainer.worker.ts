import { parentPort, workerData } from "node:worker_threads";
import { plainError } from "../../errors.js";
import { deviceOf } from "../engine-names.js";
import { answerRequests } from "./answer-requests.js";
import { batchRunner, framesPerRun } from "./batch-runner.js";
import { compileRunner } from "./compile-runner.js";
import { decoderOf } from "./decode-results.js";
import type { ExplainerOptions } from "./explainer-options.js";
import { gatherer } from "./gather.js";
import type { ThreadMessage } from "./thread-messages.js";

const options = workerData as ExplainerOptions;
const port = parentPort!;
const post = (message: ThreadMessage): void => port.postMessage(message);

async function start(): Promise<void> {
  const {
    runner: explainer,
    engine: name,
    info,
    preprocessing,
    activations,
    notes,
  } = await compileRunner(options, false);
  const second = (options.every ?? 1) > 1 ? await compileRunner({ ...options, engine: name }, true) : undefined;
  const classifier = second?.runner;
  post({ kind: "compiled", shared: { engine: name, explainer: explainer.shared, classifier: classifier?.shared } });
  const { width, height } = preprocessing;
  // The first run allocates and picks kernels: it is paid before the worker says it is ready.
  await explainer.run({
    frames: { data: new Uint8Array(height * width * 3), dims: [1, height, width, 3] },
    scale: { data: new Float32Array(1), dims: [1] },
  });
  const explain = batchRunner({
    explainer,
    classifier,
    gather: gatherer(width, height),
    decode: decoderOf(info, preprocessing, options),
    framesPerRun: framesPerRun(deviceOf(options.device), activations),
  });
  answerRequests(port, explain, async () => {
    await explainer.close();
    await classifier?.close();
  });
  post({
    kind: "ready",
    model: info,
    engine: explainer.name,
    skipped: explainer.skipped ?? [],
    ignores: explainer.ignores ?? [],
    notes: [...notes, ...(second?.notes ?? [])],
  });
}

start().catch((error: unknown) => {
  post({ kind: "failed", error: plainError(error) });
  port.close();
});
