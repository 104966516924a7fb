import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { parseConfig } from "../../src/config/load.js";
import type { Logger } from "../../src/log.js";
import { type RunHandle, startStation } from "../../src/station/run.js";
import { BOTTLES, EFFICIENTNET } from "../e2e/worker.js";
import { connectClient } from "../sinks/viewer-client.js";
import { freePort, type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";

const LONG_MS = 120_000;

interface Answers {
  health: number;
  metrics: string;
  ready: { ready: boolean; checks: { name: string; ok: boolean; reason?: string }[] };
}

async function ask(url: string): Promise<Answers> {
  const [health, ready, metrics] = await Promise.all(
    ["/healthz", "/readyz", "/metrics"].map((page) => fetch(url + page)),
  );
  return { health: health!.status, ready: (await ready!.json()) as Answers["ready"], metrics: await metrics!.text() };
}

/** Writes down what is logged; what `onMetrics` resolves to was asked as soon as the metrics port was named. */
function listening(): { log: Logger; lines: string[]; first: Promise<Answers> } {
  const lines: string[] = [];
  let begin: (url: string) => void = () => {};
  const url = new Promise<string>((resolve) => {
    begin = resolve;
  });
  const say = (line: string): void => {
    lines.push(line);
    const found = /^health: (http:\S+)\/healthz/.exec(line)?.[1];
    if (found) begin(found);
  };
  return { log: { debug: say, info: say, warn: say, error: say }, lines, first: url.then(ask) };
}

const configuration = (more: object) =>
  parseConfig(stringify({ station: "desk", sources: [], metrics: { port: 0 }, ...more }), "config.yaml", {});

describe("a worker with two NATS sinks, of which one is there and one is not", () => {
  let server: NatsServer;
  let handle: RunHandle;
  let away: number;
  const { log, lines, first } = listening();

  beforeAll(async () => {
    [server, away] = [await startNatsServer({}), await freePort()];
    const config = configuration({
      model: EFFICIENTNET,
      engine: { cache: "off" },
      sinks: [
        { kind: "nats", name: "plant", servers: [server.url] },
        { kind: "nats", servers: [`nats://127.0.0.1:${away}`] },
        { kind: "viewer", port: 0 },
      ],
      control: { sources: { folders: ["/"] } },
      overlay: { show: "signed", colormap: "grey", opacity: 1 },
    });
    handle = await startStation({ config, baseDir: "/" }, log);
    await until("the one to be connected", () => lines.some((line) => line.startsWith("plant: connected")), LONG_MS);
    await until("the other to be refused", () => lines.some((line) => line.startsWith("nats: ")), LONG_MS);
  }, LONG_MS);
  afterAll(async () => {
    await handle?.stop();
    await handle?.ended;
    await server?.stop();
  }, LONG_MS);

  it("answers on the metrics port while the model is loading, and is not ready yet", async () => {
    const { health, ready, metrics } = await first;
    expect(health).toBe(200);
    expect(ready).toEqual({
      ready: false,
      checks: [
        { name: "model", ok: false, reason: "model is loading" },
        { name: "plant", ok: false, reason: "it is opened once the model is loaded" },
        { name: "nats", ok: false, reason: "it is opened once the model is loaded" },
        { name: "viewer", ok: false, reason: "it is opened once the model is loaded" },
      ],
    });
    expect(metrics).toContain("video_explainer_build_info");
    // The last line of a start, which scripts wait for, comes when all is there.
    expect(lines[0]).toMatch(/^health: http:.*the model is loaded next$/);
    expect(lines.findIndex((line) => line.startsWith("metrics: "))).toBeGreaterThan(
      lines.findIndex((line) => line.includes("is warm on")),
    );
  });

  it("tells them apart by name in readiness and metrics", async () => {
    await until("the answer of before to be over", async () => (await ask(handle.metricsUrl)).ready.checks[1]!.ok);
    const { ready, metrics } = await ask(handle.metricsUrl);
    expect(ready.checks).toEqual([
      { name: "model", ok: true },
      { name: "plant", ok: true },
      { name: "nats", ok: false, reason: expect.stringContaining(`127.0.0.1:${away}`) },
      { name: "viewer", ok: true },
    ]);
    expect(metrics).toContain('video_explainer_sink_connected{sink="plant"} 1');
    expect(metrics).toContain('video_explainer_sink_connected{sink="nats"} 0');
    expect(metrics).toContain('video_explainer_publish_errors_total{sink="plant"} 0');
    expect(metrics).toMatch(/video_explainer_publish_errors_total\{sink="nats"\} [1-9]/);
  });

  it("has the live page draw heat as overlays are drawn, from the start and after a request", async () => {
    const page = lines.find((line) => line.startsWith("live page at "))!.slice("live page at ".length);
    const client = await connectClient(page, true);
    const nc = await connect({ servers: server.url });
    try {
      const [hello] = client.messages;
      const styles = () => client.messages.flatMap((message) => ("style" in message ? [message.style] : []));
      expect(hello).toMatchObject({ type: "hello", style: { show: "signed" } });
      const lastColour = () => [...Buffer.from(styles().at(-1)!.tables.magnitude, "base64").subarray(4 * 255)];
      expect(lastColour()).toEqual([255, 255, 255, 255]);
      const change = JSON.stringify({ overlay: { colormap: "viridis", opacity: 0.2, show: "magnitude" } });
      await nc.request("video-explainer.desk.config.set", change, { timeout: LONG_MS });
      await until("the page to be told", () => styles().length > 1);
      expect(styles().at(-1)!.show).toBe("magnitude");
      expect(lastColour()).toEqual([253, 231, 37, 51]);
    } finally {
      await nc.close();
      client.socket.close();
    }
  });

  it("looks once at a film that is added by a request", async () => {
    const folder = mkdtempSync(join(tmpdir(), "run-"));
    const [script, looks] = [join(folder, "ffprobe"), join(folder, "looks")];
    writeFileSync(script, `#!/bin/sh\ncase "$*" in *-i*) echo look >> "${looks}";; esac\nexec ffprobe "$@"\n`);
    chmodSync(script, 0o755);
    vi.stubEnv("FFPROBE_PATH", script);
    const nc = await connect({ servers: server.url });
    try {
      const ask = async (what: string, body: object) =>
        (await nc.request(`video-explainer.desk.${what}`, JSON.stringify(body), { timeout: LONG_MS })).json();
      expect(await ask("sources.add", { name: "belt", url: BOTTLES, fps: 1 })).toMatchObject({
        added: { source: "belt" },
      });
      const started = () => lines.includes("source belt: live");
      await until("the film to be decoded", started, LONG_MS);
      expect(readFileSync(looks, "utf8")).toBe("look\n");
      expect(await ask("sources.remove", { name: "belt" })).toMatchObject({ removed: { source: "belt" } });
    } finally {
      await nc.close();
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true });
    }
  });

  it("answers requests on the connection that there is", async () => {
    const nc = await connect({ servers: server.url });
    try {
      const answer = await nc.request("video-explainer.desk.sources.list", "{}", { timeout: LONG_MS });
      expect(answer.json()).toMatchObject({ sources: [] });
      nc.publish("video-explainer.desk.explain", "");
      const refused = (line: string) => line.startsWith("plant: a request was not answered");
      await until("what cannot be answered to be said with the sink's name", () => lines.some(refused));
    } finally {
      await nc.close();
    }
  });
});

it("a worker whose model is not there says so as before, and leaves the metrics port", async () => {
  const { log, first } = listening();
  const config = configuration({ model: { path: "/nowhere/model.onnx" }, sinks: [{ kind: "nats" }] });
  const starting = startStation({ config, baseDir: "/" }, log);
  await expect(starting).rejects.toThrow(/\/nowhere\/model\.onnx/);
  await first.catch(() => undefined);
  const port = await freePort();
  const again = configuration({ model: { path: "/nowhere/model.onnx" }, sinks: [{ kind: "nats" }], metrics: { port } });
  for (const _ of [1, 2])
    await expect(startStation({ config: again, baseDir: "/" }, log)).rejects.toThrow(/\/nowhere\/model\.onnx/);
});
