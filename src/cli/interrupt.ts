import { InputError } from "../errors.js";

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Runs `work` with a signal that Ctrl-C and SIGTERM give; resolves to the exit code they ask for, 0 without. */
export async function interruptible(work: (stop: AbortSignal) => Promise<void>): Promise<number> {
  const stop = new AbortController();
  let code = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    // Told twice, it does not wait.
    if (stop.signal.aborted) process.exit(code);
    code = SIGNALS[signal as keyof typeof SIGNALS];
    stop.abort(new InputError("stopped", "stopped."));
  };
  for (const signal of Object.keys(SIGNALS)) process.on(signal, onSignal);
  try {
    await work(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    for (const signal of Object.keys(SIGNALS)) process.off(signal, onSignal);
  }
  return code;
}
