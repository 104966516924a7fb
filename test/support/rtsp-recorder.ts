import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

export interface RtspRecorder {
  /** What came under a name, a file for each time that it was pushed. */
  recorded(name: string): string[];
  kill(): Promise<void>;
}

/** A real RTSP server that takes what is pushed to `rtsp://127.0.0.1:PORT/NAME`; resolves when it listens. */
export async function startRtspRecorder(port: number, folder: string, names: string[]): Promise<RtspRecorder> {
  // GStreamer's bindings belong to the system's Python.
  const script = join(import.meta.dirname, "rtsp-recorder.py");
  const child = spawn("/usr/bin/python3", [script, String(port), folder, ...names], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((ready, failed) => {
    child.stdout.once("data", () => ready());
    child.once("error", failed);
    child.once("exit", (code) => failed(new Error(`the RTSP server ended at once with code ${code}`)));
  });
  return {
    recorded: (name) =>
      readdirSync(folder)
        .filter((file) => file.startsWith(`${name}-`))
        .sort()
        .map((file) => join(folder, file)),
    kill: () =>
      new Promise((gone) => {
        child.once("exit", () => gone());
        child.kill("SIGKILL");
      }),
  };
}
