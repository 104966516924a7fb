import { InputError } from "../errors.js";
import { onSignal, signalCode } from "./signals.js";

/**
 * Runs `work` with a signal that Ctrl-C, SIGTERM and a closed terminal give; resolves to the exit code they ask for, 0
 * without.
 */
export async function interruptible(work: (stop: AbortSignal) => Promise<void>): Promise<number> {
  const stop = new AbortController();
  let code = 0;
  let isOver = false;
  onSignal((signal) => {
    if (isOver) return;
    // Told twice, it does not wait.
    if (stop.signal.aborted) process.exit(code);
    code = signalCode(signal);
    stop.abort(new InputError("stopped", "stopped"));
  });
  try {
    await work(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    isOver = true;
  }
  return code;
}
