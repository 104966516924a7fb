import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./ports.js";

export { freePort } from "./ports.js";

export interface NatsServerOptions {
  jetstream?: boolean;
  /** Default: a free one. */
  port?: number;
  /** Default: a new temporary folder, removed at `stop`. */
  storeDir?: string;
  /** More lines of the server's configuration file. */
  config?: string;
}

export interface NatsServer {
  url: string;
  port: number;
  pid: number;
  storeDir: string;
  /** Ends it and removes the temporary folder that it made. */
  stop(): Promise<void>;
  /** SIGKILL; its store stays, so that a server on the same `port` and `storeDir` goes on with it. */
  kill(): Promise<void>;
}

/** A real nats-server on 127.0.0.1; resolves when it takes connections. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const port = options.port ?? (await freePort());
  const own = await mkdtemp(join(tmpdir(), "nats-server-"));
  const storeDir = options.storeDir ?? join(own, "store");
  const lines = [`listen: "127.0.0.1:${port}"`];
  if (options.jetstream) lines.push(`jetstream { store_dir: "${storeDir}", max_file_store: 4294967296 }`);
  if (options.config) lines.push(options.config);
  const file = join(own, "server.conf");
  await writeFile(file, lines.join("\n"));

  const child = spawn("nats-server", ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  child.stderr.on("data", (chunk) => {
    words = (words + chunk).slice(-4000);
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  await untilListening(port, child, () => words);
  const end = (signal: NodeJS.Signals): Promise<void> =>
    new Promise((done) => {
      if (child.exitCode !== null || child.signalCode !== null) return done();
      child.once("exit", () => done());
      child.kill(signal);
    });
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    pid: child.pid!,
    storeDir,
    async stop() {
      await end("SIGKILL");
      await rm(own, { recursive: true, force: true });
    },
    kill: () => end("SIGKILL"),
  };
}

async function untilListening(port: number, child: ChildProcess, words: () => string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (child.exitCode !== null) throw new Error(`nats-server ended at once: ${words()}`);
    if (await answers(port)) return;
    await new Promise((done) => setTimeout(done, 25));
  }
  child.kill("SIGKILL");
  throw new Error(`nats-server does not listen on port ${port}: ${words()}`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    const done = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once("data", () => done(true));
    socket.once("error", () => done(false));
    socket.setTimeout(1000, () => done(false));
  });
}
