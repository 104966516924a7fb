import { parentPort, workerData } from "node:worker_threads";
import { plainError } from "../../errors.js";
import { isSkippable } from "../engines/registry.js";
import { answerRequests } from "./answer-requests.js";
import { batchRunner, framesPerRun } from "./batch-runner.js";
import { compileRunner } from "./choose-device.js";
import type { CompiledRunner } from "./compile-runner.js";
import { decoderOf } from "./decode-results.js";
import type { ExplainerOptions } from "./explainer-options.js";
import { fallingBack } from "./fall-back.js";
import { gatherer } from "./gather.js";
import type { ThreadMessage } from "./thread-messages.js";

const options = workerData as ExplainerOptions;
const port = parentPort!;
const post = (message: ThreadMessage): void => port.postMessage(message);

/** What explains a batch, and its end. */
async function made(given: ExplainerOptions) {
  const whole = await compileRunner(given, false);
  const { runner: explainer, engine, device, adapter, info, preprocessing, activations } = whole;
  const second = given.classifier
    ? await classifierOf({ ...given, engine, device, adapter }, given.device === "auto")
    : undefined;
  const classifier = second?.runner;
  const { width, height } = preprocessing;
  const explain = batchRunner({
    explainer,
    classifier,
    gather: gatherer(width, height),
    decode: decoderOf(info, preprocessing, given),
    framesPerRun: framesPerRun(device, activations),
  });
  const shared = { engine, device, explainer: explainer.shared, classifier: classifier?.shared };
  // The first run allocates and picks kernels: it is paid before the worker says it is ready.
  const warm = () =>
    explainer.run({
      frames: { data: new Uint8Array(height * width * 3), dims: [1, height, width, 3] },
      scale: { data: new Float32Array(1), dims: [1] },
    });
  const close = async (): Promise<void> => {
    await explainer.close();
    await classifier?.close();
  };
  return { explainer, device, info, shared, explain, warm, close, notes: [...whole.notes, ...(second?.notes ?? [])] };
}

/** The smaller program, on the processor where the device that `auto` chose for the whole one does not take it. */
async function classifierOf(given: ExplainerOptions, mayMove: boolean): Promise<CompiledRunner> {
  try {
    return await compileRunner(given, true);
  } catch (error) {
    if (!mayMove || given.device === "cpu" || !isSkippable(error)) throw error;
    const made = await compileRunner({ ...given, device: "cpu" }, true);
    return { ...made, notes: [`frames are classified on the processor: ${error.message}`, ...made.notes] };
  }
}

/** The same, once it has run. What `auto` chose may fail at that, where other programs have taken the device's memory, say. */
async function warmed(): ReturnType<typeof made> {
  const first = await made(options);
  // Other threads may start on what is compiled for the processor, meanwhile.
  if (first.device === "cpu") post({ kind: "compiled", shared: first.shared });
  try {
    await first.warm();
  } catch (error) {
    if (options.device !== "auto" || first.device === "cpu") throw error;
    // What has failed may fail at its end as well.
    await first.close().catch(() => {});
    const message = (error as Error).message.split("\n")[0];
    const other = await made({ ...options, device: "cpu" });
    await other.warm();
    post({ kind: "compiled", shared: other.shared });
    return {
      ...other,
      notes: [`the device ${first.device} is not taken: its first run failed (${message})`, ...other.notes],
    };
  }
  if (first.device !== "cpu") post({ kind: "compiled", shared: first.shared });
  return first;
}

async function start(): Promise<void> {
  const { explainer, device, info, explain, close, notes } = await warmed();
  const open = [close];
  const instead = async () => {
    const { threads, streams = 1 } = options;
    const other = await made({ ...options, device: "cpu", threads: threads * streams, streams: 1 });
    open.push(other.close);
    return { engine: other.explainer.name, explain: other.explain };
  };
  const guarded = fallingBack(explain, {
    device,
    ...(options.device === "auto" && { instead }),
    lost: (sentence, engine) => {
      // What is lost may hang when it is closed.
      open.splice(open.indexOf(close), 1);
      post({ kind: "lost", sentence, engine });
    },
  });
  answerRequests(port, device === "cpu" ? explain : guarded, async () => {
    for (const end of open) await end();
  });
  post({
    kind: "ready",
    model: info,
    engine: explainer.name,
    skipped: explainer.skipped ?? [],
    ignores: explainer.ignores ?? [],
    notes,
  });
}

start().catch((error: unknown) => {
  post({ kind: "failed", error: plainError(error) });
  port.close();
});
