import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { freePort } from "../support/nats-server.js";

export interface CameraOptions {
  /** Default: a free one. */
  port?: number;
  fps?: number;
  /** `user:password` that it asks for. */
  login?: string;
}

/** An RTSP camera in a process of its own: real H.264 over real sockets. */
export interface Camera {
  readonly port: number;
  /** The picture stands still though frames keep coming. */
  freeze(): void;
  thaw(): void;
  /** Another picture size, in mid-stream. */
  resize(width: number, height: number): void;
  /** The stream ends for everybody; whoever comes again gets a new one. */
  end(): void;
  kill(): Promise<void>;
  readonly isRunning: boolean;
  /** After `kill`: on the same port; it asks for another `user:password` from now on where one is given. */
  start(login?: string): Promise<void>;
}

const SCRIPT = join(import.meta.dirname, "camera.py");

export async function startCamera({ port, fps = 10, ...options }: CameraOptions = {}): Promise<Camera> {
  const at = port ?? (await freePort());
  let child: ChildProcess | undefined;
  let { login } = options;
  const say = (command: string): void => void child?.stdin?.write(`${command}\n`);
  const start = async (other = login): Promise<void> => {
    login = other;
    // GStreamer's bindings belong to the system's Python.
    const started = spawn("/usr/bin/python3", [SCRIPT, String(at), String(fps), ...(login ? [login] : [])], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    child = started;
    let words = "";
    started.stderr.on("data", (chunk) => {
      words = (words + chunk).slice(-2000);
    });
    started.stdin.on("error", () => undefined);
    await new Promise<void>((ready, failed) => {
      started.stdout.once("data", () => ready());
      started.once("error", failed);
      started.once("exit", (code) => failed(new Error(`a camera ended at once with code ${code}: ${words}`)));
    });
  };
  await start();
  return {
    port: at,
    get isRunning() {
      return child !== undefined;
    },
    freeze: () => say("freeze"),
    thaw: () => say("thaw"),
    resize: (width, height) => say(`size ${width}x${height}`),
    end: () => say("end"),
    start,
    kill: () =>
      new Promise((gone) => {
        const dying = child;
        child = undefined;
        if (!dying || dying.exitCode !== null || dying.signalCode !== null) return gone();
        dying.once("exit", () => gone());
        dying.kill("SIGKILL");
      }),
  };
}
