import { once } from "node:events";
import { get } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { InputError, VideoExplainerError } from "../../src/errors.js";
import { createMetrics } from "../../src/metrics/metrics.js";
import type { CheckResult, ReadinessCheck } from "../../src/metrics/readiness.js";
import { type MetricsServer, type MetricsServerOptions, startMetricsServer } from "../../src/metrics/server.js";
import { until } from "../support/sinks.js";
import { parseExposition } from "./exposition.js";

const servers: MetricsServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function setup(options: Partial<MetricsServerOptions> = {}): Promise<string> {
  const server = await startMetricsServer({
    host: "127.0.0.1",
    port: 0,
    metrics: createMetrics(),
    readiness: [],
    liveness: () => ({ ok: true }),
    ...options,
  });
  servers.push(server);
  return server.url;
}

const check = (name: string, result: () => CheckResult | Promise<CheckResult>): ReadinessCheck => ({
  name,
  check: async () => result(),
});

describe("the metrics server", () => {
  it("serves metrics that parse, with Prometheus' content type", async () => {
    const response = await fetch(`${await setup()}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(parseExposition(await response.text()).has("video_explainer_build_info")).toBe(true);
  });

  it("on loopback answers to no foreign name, as a web site could give this machine, but to those in hosts", async () => {
    const url = await setup({ hosts: ["station.example"] });
    const ask = (host: string) =>
      new Promise<number>((resolve, reject) => {
        get(`${url}/metrics`, { headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode!);
        }).on("error", reject);
      });
    expect(await ask("evil.example:9090")).toBe(421);
    expect(await ask("station.example:9090")).toBe(200);
    expect(await ask("localhost:9090")).toBe(200);
  });

  it("cuts connections that bring no request, and more of one address than anybody needs", {
    timeout: 30_000,
  }, async () => {
    const { hostname, port } = new URL(await setup());
    let closed = 0;
    const sockets = Array.from({ length: 300 }, () =>
      connect({ host: hostname, port: Number(port) })
        .on("error", () => {})
        .on("close", () => closed++)
        .resume(),
    );
    await until("most to be turned away", () => closed >= 150);
    await until("the rest to be cut", () => closed === sockets.length, 20_000);
  });

  it("says alive, or why not", async () => {
    let state: CheckResult = { ok: true };
    const url = await setup({ liveness: () => state });
    const alive = await fetch(`${url}/healthz`);
    expect([alive.status, await alive.json()]).toEqual([200, { alive: true }]);
    state = { ok: false, reason: "no result from nats://u:hunter2@h for 60 s" };
    const dead = await fetch(`${url}/healthz`);
    expect(dead.status).toBe(503);
    expect(await dead.text()).toBe('{"alive":false,"reason":"no result from nats://***@h for 60 s"}\n');
  });

  it("says ready, or which check fails and why", async () => {
    const readiness = [check("model", () => ({ ok: true })), check("nats", () => ({ ok: false, reason: "no server" }))];
    const url = await setup({ readiness: readiness.slice(0, 1) });
    const ready = await fetch(`${url}/readyz?verbose`);
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, checks: [{ name: "model", ok: true }] }]);
    const other = await fetch(`${await setup({ readiness })}/readyz`);
    expect(other.status).toBe(503);
    expect(await other.json()).toEqual({
      ready: false,
      checks: [
        { name: "model", ok: true },
        { name: "nats", ok: false, reason: "no server" },
      ],
    });
  });

  it("takes a check that throws or hangs for a failed one", async () => {
    const readiness = [
      check("throws", () => Promise.reject(new Error("cannot reach nats://u:hunter2@h"))),
      check("hangs", () => new Promise(() => {})),
    ];
    const response = await fetch(`${await setup({ readiness, limits: { timeoutMs: 50 } })}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      checks: [{ reason: "cannot reach nats://***@h" }, { reason: "no answer within 0.05 s" }],
    });
  });

  it("asks a check once for all who ask within the time its answer is kept", async () => {
    let asked = 0;
    const readiness = [check("nats", () => ({ ok: ++asked > 0 }))];
    const kept = await setup({ readiness, limits: { cacheMs: 60_000 } });
    await Promise.all(Array.from({ length: 20 }, () => fetch(`${kept}/readyz`)));
    expect(asked).toBe(1);
    const fresh = await setup({ readiness, limits: { cacheMs: 0 } });
    await fetch(`${fresh}/readyz`);
    await fetch(`${fresh}/readyz`);
    expect(asked).toBe(3);
  });

  it("does not ask a check anew that has not answered yet", async () => {
    let asked = 0;
    const hanging: ReadinessCheck = {
      name: "nats",
      check: () => {
        asked++;
        return new Promise(() => {});
      },
    };
    const url = await setup({ readiness: [hanging], limits: { timeoutMs: 20, cacheMs: 0 } });
    for (let i = 0; i < 3; i++) expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect(asked).toBe(1);
  });

  it("answers HEAD without a body, refuses other methods and other paths, and lets nothing be cached or guessed", async () => {
    const url = await setup();
    const head = await fetch(`${url}/metrics`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(Number(head.headers.get("content-length"))).toBeGreaterThan(1000);
    const post = await fetch(`${url}/healthz`, { method: "POST", body: "x" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    for (const path of ["/", "/metrics/", "/../etc/passwd", "/healthz%00", "//metrics"]) {
      const response = await fetch(url + path);
      expect(response.status, path).toBe(404);
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect(response.headers.get("cache-control")).toBe("no-store");
    }
  });

  it("answers 500 in words when metrics cannot be read, and goes on", async () => {
    const metrics = createMetrics();
    const unwatch = metrics.watchQueue("q", () => {
      throw new Error("the queue is gone");
    });
    const url = await setup({ metrics });
    const response = await fetch(`${url}/metrics`);
    expect([response.status, await response.text()]).toEqual([500, "the queue is gone\n"]);
    unwatch();
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it("survives garbage on its port", async () => {
    const url = new URL(await setup());
    const socket = connect(Number(url.port), url.hostname);
    socket.on("error", () => {});
    socket.end("\u0000\u0001 nonsense\r\n\r\n");
    socket.resume();
    await once(socket, "close");
    expect((await fetch(`${url.origin}/healthz`)).status).toBe(200);
  });

  it("says in one sentence that its port is taken, or its address not this machine's", async () => {
    const { port } = new URL(await setup());
    const taken = setup({ port: Number(port) });
    await expect(taken).rejects.toThrow(VideoExplainerError);
    await expect(taken).rejects.toThrow(
      `metrics cannot listen on 127.0.0.1:${port}: another program listens there; end it, or set metrics.port to a free one`,
    );
    const elsewhere = setup({ host: "192.0.2.1" });
    await expect(elsewhere).rejects.toThrow(InputError);
    await expect(elsewhere).rejects.toThrow("this machine has no such address");
  });

  it("closes at once, with connections open, and frees its port", async () => {
    const url = new URL(await setup());
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, "connect");
    const closed = once(socket, "close");
    await servers.pop()!.close();
    await closed;
    await expect(setup({ port: Number(url.port) })).resolves.toContain("http://127.0.0.1:");
  });
});
