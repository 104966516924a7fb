/** Images of one task. Results do not depend on it. */
const CHUNK = 8;

export const chunks = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / CHUNK) }, (_, k) => all.slice(k * CHUNK, (k + 1) * CHUNK));

/** Runs tasks on threads, each thread the next one as soon as it is free. Rejects with the first fault, and when `stop` comes. */
export async function onThreads<H, T>(
  threads: readonly H[],
  tasks: readonly T[],
  run: (thread: H, task: T) => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  let next = 0;
  let isOver = false;
  const stopped = new Promise<never>((_, reject) => {
    stop.addEventListener("abort", () => reject(stop.reason as Error), { once: true });
  });
  // Nobody waits for it when all is done.
  stopped.catch(() => {});
  stop.throwIfAborted();
  const all = Promise.all(
    threads.map(async (thread) => {
      while (next < tasks.length && !isOver && !stop.aborted) {
        try {
          await run(thread, tasks[next++]!);
        } catch (error) {
          isOver = true;
          throw error;
        }
      }
    }),
  );
  await Promise.race([all, stopped]);
}
