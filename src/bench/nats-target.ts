import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { childEnvironment } from "../child-environment.js";
import { VideoExplainerError } from "../errors.js";
import { dyingWithParent, endChild } from "../ffmpeg/processes.js";
import { openConnection } from "../sinks/nats/connection.js";
import { readServers } from "../sinks/nats/servers.js";

/** Where a bench publishes. */
export interface NatsTarget {
  url: string;
  version: string;
  /** It was started for the bench alone. */
  started: boolean;
  /** Deletes the stream that was published into, and ends what was started. */
  close(stream: string): Promise<void>;
}

const LOCAL = "nats://127.0.0.1:4222";
const START_MS = 10_000;
const never = new AbortController().signal;

/** Connects, does something and disconnects. */
async function visit<T>(
  url: string,
  work: (link: Awaited<ReturnType<typeof openConnection>>) => Promise<T>,
): Promise<T> {
  const link = await openConnection(readServers({ servers: [url] }), [], "video-explainer bench", never);
  try {
    return await work(link);
  } finally {
    await link.nc.close();
  }
}

/** The server's version. Throws one sentence when none answers or it has no JetStream. */
const look = (url: string): Promise<string> =>
  visit(url, async ({ nc, server }) => {
    if (!nc.info?.jetstream)
      throw new VideoExplainerError(
        "nats",
        `NATS at ${server.address} runs without JetStream; start it with -js, or give another with --nats`,
      );
    return nc.info.version;
  });

const deleteStream = (url: string, stream: string): Promise<unknown> =>
  visit(url, async ({ nc }) => (await nc.jetstreamManager()).streams.delete(stream));

/**
 * The server of `url`, which must answer; without one that of 127.0.0.1:4222, else one started from the search path
 * for the time of the bench. A sentence when there is none of them.
 */
export async function natsTarget(url: string | undefined): Promise<NatsTarget | string> {
  const existing = (at: string, version: string): NatsTarget => ({
    url: at,
    version,
    started: false,
    close: async (stream) => void (await deleteStream(at, stream)),
  });
  if (url !== undefined) return existing(url, await look(url));
  const version = await look(LOCAL).catch(() => undefined);
  return version === undefined ? await startServer() : existing(LOCAL, version);
}

async function startServer(): Promise<NatsTarget | string> {
  const port = await freePort();
  const store = await mkdtemp(join(tmpdir(), "video-explainer-bench-"));
  const removeStore = (): void => rmSync(store, { recursive: true, force: true });
  process.on("exit", removeStore);
  const args = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", store];
  const child = spawn(...dyingWithParent("nats-server", args), { env: childEnvironment(), stdio: "ignore" });
  let ended = false;
  child.once("error", () => {
    ended = true;
  });
  child.once("exit", () => {
    ended = true;
  });
  const close = async (): Promise<void> => {
    await endChild(child, 2000);
    await rm(store, { recursive: true, force: true });
    process.off("exit", removeStore);
  };
  const url = `nats://127.0.0.1:${port}`;
  for (const until = performance.now() + START_MS; !ended && performance.now() < until; await sleep(50)) {
    const version = await look(url).catch(() => undefined);
    if (version !== undefined) return { url, version, started: true, close };
  }
  await close();
  return "no NATS server answers at 127.0.0.1:4222 and none could be started (nats-server is not on the search path); nothing was published";
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
