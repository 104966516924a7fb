import { createServer } from "node:net";

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux): one of those may be taken by any other
 * connection between being found free and being listened on. Each of vitest's workers has a range of its own.
 */
const FIRST = 16_000;
const RANGE = 2000;
const WORKERS = 8;

const first = FIRST + (Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS) * RANGE;
let next = Math.floor(Math.random() * RANGE);

/** A port of 127.0.0.1 that nobody listens on; this process gives none out twice before it has given them all. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < RANGE; tries++) {
    const port = first + (next++ % RANGE);
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${first} to ${first + RANGE - 1} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
