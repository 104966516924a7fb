import { availableParallelism } from "node:os";
import { VideoExplainerError } from "../../errors.js";
import { withoutEffect } from "../engines/engine.js";
import { quietTensorFlow } from "../engines/tfjs/tensorflow.js";
import type { Explainer, ExplainInput, Explanation } from "../explanation.js";
import { EngineThread, type ThreadEvents } from "./engine-thread.js";
import { explainEach } from "./explain-each.js";
import type { ExplainerOptions, SharedModels } from "./explainer-options.js";

/** Each thread holds the weights: more would cost more memory than they bring. */
const MAX_ENGINE_THREADS = 4;

/**
 * Loads a model in worker threads, compiles and warms it. Frames of a batch are shared out: one thread a core, each
 * running whole frames, gets more done than one frame spread over all cores.
 * The native binding of TensorFlow.js keeps a state of its own for each thread, so several threads run it at once; its
 * pool of threads is one for the process, a core each, whatever `threads` says.
 * A device beside the processor has one thread, which hands it batch after batch.
 * @param events `onRun` is told the share of a batch's seconds that a thread has in all of them: summed up over a time, how much of that
 * time they were busy on average
 * @throws InputError or ModelError when model, card, method or target are wrong
 */
export async function createExplainer(
  options: ExplainerOptions,
  events: Pick<ThreadEvents, "onNote" | "onRun"> = {},
): Promise<Explainer> {
  quietTensorFlow();
  const total = options.threads || availableParallelism();
  const onProcessor = ["auto", "cpu"].includes(options.device) ? Math.min(total, MAX_ENGINE_THREADS) : 1;
  const each = { ...options, threads: Math.max(1, Math.floor(total / onProcessor)), streams: onProcessor };
  let count = 1;
  const { onNote } = events;
  const onRun = (engine: string, seconds: number): void => events.onRun?.(engine, seconds / count);
  // The first finds what is wrong with the model, and compiles it, before the others are started.
  let leader: Promise<EngineThread> | undefined;
  const shared = await new Promise<SharedModels>((onCompiled, failed) => {
    leader = EngineThread.start(each, { onCompiled, onNote, onRun });
    leader.catch(failed);
  });
  const { engine, device } = shared;
  if (device === "cpu") count = onProcessor;
  const others = Array.from({ length: count - 1 }, () =>
    EngineThread.start({ ...each, engine, device, shared }, { onRun }),
  );
  const started = await Promise.allSettled([leader!, ...others]);
  const threads = started.flatMap((r) => (r.status === "fulfilled" ? [r.value] : []));
  const failed = started.find((r) => r.status === "rejected");
  if (failed) {
    await Promise.all(threads.map((t) => t.close()));
    throw failed.reason;
  }
  const [leading] = threads as [EngineThread];
  const first = leading.ready;
  const ignored = withoutEffect(first, {
    ...(options.device !== "auto" && { device: options.device }),
    ...(options.threads > 0 && { threads: options.threads }),
    ...(options.precision !== undefined && options.precision !== "float32" && { precision: options.precision }),
  });
  const running = new Set<Promise<unknown>>();
  let next = 0;
  /** Threads that end because they were asked to are no fault. */
  let closing = false;
  const explain = async (batch: readonly ExplainInput[]): Promise<Explanation[]> => {
    const shares = Math.min(batch.length, count);
    const size = Math.ceil(batch.length / shares);
    const parts: Promise<Explanation[]>[] = [];
    for (let at = 0; at < batch.length; at += size) {
      parts.push(threads[next]!.explain(batch.slice(at, at + size)));
      next = (next + 1) % count;
    }
    return (await Promise.all(parts)).flat();
  };
  const eachOf = explainEach(explain);
  /** Closing waits for it. */
  const kept = <T>(work: Promise<T>): Promise<T> => {
    running.add(work);
    const ended = () => running.delete(work);
    void work.then(ended, ended);
    return work;
  };
  return {
    model: first.model,
    device,
    get engine() {
      return leading.engine;
    },
    skipped: first.skipped,
    hasClassifier: options.classifier === true,
    notes: ignored === undefined ? first.notes : [...first.notes, ignored],
    get fault() {
      return closing ? undefined : threads.map((t) => t.fault).find((fault) => fault !== undefined);
    },
    explain: (batch) => kept(explain(batch)),
    explainEach: (batch) => kept(eachOf(batch)),
    async close() {
      await Promise.allSettled(running);
      closing = true;
      const closed = await Promise.allSettled(threads.map((t) => t.close()));
      closing = false;
      const bad = closed.find((c) => c.status === "rejected");
      if (bad) throw new VideoExplainerError("engine-died", `an engine thread did not close (${String(bad.reason)})`);
    },
  };
}
