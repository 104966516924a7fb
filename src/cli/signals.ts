import { closeSync, openSync } from "node:fs";

/** What asks a process to end, and what a shell makes of it. The terminal that is closed is one of them. */
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

type Signal = keyof typeof CODES;
type Handler = (signal: NodeJS.Signals) => void;

let handler: Handler | undefined;
/** What SIGHUP asks for while the terminal is there, or none ever was: to read the configuration anew. */
let reload: (() => void) | undefined;
let hadTerminal = false;

const pass = (signal: NodeJS.Signals): void => {
  if (signal === "SIGHUP") {
    const isHangup = process.platform === "win32" || (hadTerminal && !hasTerminal());
    if (!isHangup && reload) return reload();
    if (isHangup && !process.listeners("exit").includes(leaveTerminal)) process.on("exit", leaveTerminal);
  }
  handler?.(signal);
};

/** Whether there is a terminal that signals come from. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

/** At its end Node puts the terminal back as it was, and aborts when that is gone; it leaves alone what is no terminal. */
function leaveTerminal(): void {
  for (const stream of [0, 1, 2]) {
    try {
      closeSync(stream);
      openSync("/dev/null", "r+");
    } catch {
      // Closed before: there is no terminal then.
    }
  }
}

/** The exit code of who was ended by this signal. */
export const signalCode = (signal: NodeJS.Signals): number => CODES[signal as Signal];

/**
 * From now on a signal calls this, until the next call. `onReload`: what SIGHUP calls instead, unless it means that the terminal
 * was closed. Node is never given back the signals: where it ends by itself it
 * takes its handlers off before it is gone, and a signal then would be the death of it.
 */
export function onSignal(next: Handler, onReload?: () => void): void {
  if (handler === undefined) {
    hadTerminal = hasTerminal();
    for (const signal of Object.keys(CODES)) process.on(signal, pass);
  }
  handler = next;
  reload = onReload;
}

/** A process that ends by itself, or that is left by something unfinished, is gone after so long. */
const LINGER_MS = 3000;

/**
 * Ends the process with this code once all that was written is read and nothing is left to do. A signal meanwhile does not
 * change the code, unless the reader of the output has not taken everything yet: then it is not waited for longer.
 */
export function leave(code: number): void {
  const isRead = (): boolean => process.stdout.destroyed || process.stdout.writableLength === 0;
  onSignal((signal) => process.exit(isRead() ? code : code || signalCode(signal)));
  process.exitCode = code;
  // Not by itself: see `onSignal`.
  process.once("beforeExit", () => process.exit(code));
  const lingered = (): void => {
    if (isRead()) process.exit(code);
    process.stdout.write("", () => process.exit(code));
  };
  setTimeout(lingered, LINGER_MS).unref();
}
