import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { expectExact } from "../support/ledgers.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";
import { anyRunning, childrenOf, INSPECTION, START_MS, startWorker, temporaryFolder, type Worker } from "./worker.js";

interface Listed {
  source: string;
  at: string;
  label: string;
  details: string;
  pictures: Record<string, string>;
}

let server: NatsServer;
afterAll(() => server?.stop());

const pageOf = (worker: Worker): string | undefined =>
  worker.log.map(({ msg }) => /^live page at (\S+)$/.exec(msg)?.[1]).find(Boolean);
async function decisions(worker: Worker, query = ""): Promise<Listed[]> {
  const page = pageOf(worker);
  if (!page) return [];
  const { decisions: list } = (await (await fetch(new URL(`decisions.json${query}`, page))).json()) as {
    decisions: Listed[];
  };
  return list;
}

it("after a worker was killed, the next one's page has its decisions, and its stream ends with it, leaving no process", async () => {
  server = await startNatsServer({ jetstream: true });
  const folder = temporaryFolder();
  const playlist = join(folder, "hall/camera/playlist.m3u8");
  const config = {
    station: "hall",
    model: INSPECTION,
    sources: [{ name: "camera", url: "testsrc", width: 160, height: 120, fps: 5 }],
    sinks: [
      { kind: "nats", servers: [server.url], jetstream: true },
      { kind: "viewer", port: 0, history: {}, decisions: { everySeconds: 1 } },
      { kind: "stream", url: join(folder, "{station}/{source}") },
    ],
  };
  const first = startWorker(config);
  const hasBegun = async () => (await decisions(first)).length >= 3 && existsSync(playlist);
  await until("three decisions and a stream", hasBegun, START_MS);
  const before = await decisions(first);
  const sent = async () => (await first.metrics()).value("published_total", { sink: "nats", kind: "heatmap" });
  const sentThen = await sent();
  // Some more than a second of frames, and with them all that was on its way.
  await until("those to be published", async () => (await sent()) > sentThen + 8);
  const children = childrenOf(first.pid);
  first.kill("SIGKILL");
  await first.ended;
  await until("its ffmpeg to be gone", () => !anyRunning(children));

  const killedAt = new Date().toISOString();
  const second = startWorker(config);
  // What was still on its way when the first was killed may be missing.
  const earlier = async () => (await decisions(second, "?source=camera")).filter(({ at }) => at < killedAt);
  await until("its decisions", async () => (await earlier()).length >= before.length - 1, START_MS);
  const found = await earlier();
  const times = found.map(({ at }) => at);
  expect(new Set(times).size).toBe(times.length);
  const [{ pictures, details }] = found as [Listed];
  expect(Object.keys(pictures).sort()).toEqual(["heatmap", "overlay", "thumbnail"]);
  const page = pageOf(second)!;
  const overlay = await fetch(new URL(pictures.overlay!, page));
  expect([overlay.status, overlay.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
  expect(await (await fetch(new URL(details, page))).json()).toMatchObject({
    summary: { station: "hall", source: "camera" },
  });
  await until("decisions of its own", async () => (await decisions(second)).some(({ at }) => at > killedAt));
  // Newest first, those of this run before those of the last.
  const all = (await decisions(second)).map(({ at }) => at);
  expect(all).toEqual([...all].sort().reverse());

  await until("its stream", async () => (await second.metrics()).value("published_total", { sink: "stream" }) > 5);
  expectExact(await second.metrics());
  second.kill("SIGTERM");
  expect(await second.ended).toEqual({ code: 0, signal: null });
  expect(second.said).toEqual([]);
  expect(readFileSync(playlist, "utf8").trimEnd().split("\n").at(-1)).toBe("#EXT-X-ENDLIST");
}, 480_000);
