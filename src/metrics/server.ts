import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { guardConnections, TIMES } from "../http/connections.js";
import { hostCheck, isLoopback } from "../http/hosts.js";
import { listenAt } from "../http/listen.js";
import { redact } from "../redact.js";
import type { Metrics } from "./metrics.js";
import { type CheckResult, type ReadinessCheck, type ReadinessLimits, readinessOf } from "./readiness.js";

export interface MetricsServerOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Names under which it is asked, beside this machine's own; empty: any, but where `host` is a loopback address. */
  hosts?: readonly string[];
  metrics: Pick<Metrics, "render" | "contentType">;
  /** What `/readyz` asks. */
  readiness: readonly ReadinessCheck[];
  /** What `/healthz` answers while the event loop turns. */
  liveness: () => CheckResult;
  limits?: Partial<ReadinessLimits>;
}

export interface MetricsServer {
  /** e.g. `http://127.0.0.1:9090` */
  url: string;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  type: string;
  body: string;
  headers?: Record<string, string>;
}

const json = (status: number, value: unknown): Answer => ({
  status,
  type: "application/json; charset=utf-8",
  body: `${JSON.stringify(value)}\n`,
});
const text = (status: number, body: string, headers?: Record<string, string>): Answer => ({
  status,
  type: "text/plain; charset=utf-8",
  body: `${body}\n`,
  headers,
});

function send(request: IncomingMessage, response: ServerResponse, { status, type, body, headers }: Answer): void {
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

type Route = () => Answer | Promise<Answer>;

function routesOf({ metrics, readiness, liveness, limits }: MetricsServerOptions): Map<string, Route> {
  const ready = readinessOf(readiness, limits);
  return new Map<string, Route>([
    ["/metrics", async () => ({ status: 200, type: metrics.contentType, body: await metrics.render() })],
    [
      "/healthz",
      () => {
        const { ok, reason } = liveness();
        return json(ok ? 200 : 503, {
          alive: ok,
          ...(reason === undefined ? {} : { reason: redact(reason) }),
        });
      },
    ],
    [
      "/readyz",
      async () => {
        const result = await ready();
        return json(result.ready ? 200 : 503, result);
      },
    ],
  ]);
}

type HostCheck = ReturnType<typeof hostCheck>;

/** Prometheus asks by whatever name a network has for this machine, which no rule knows; on loopback there is none. */
const hostCheckOf = ({ host, hosts = [] }: MetricsServerOptions): HostCheck =>
  isLoopback(host) || hosts.length > 0 ? hostCheck(host, hosts) : () => null;

async function answer(routes: Map<string, Route>, check: HostCheck, request: IncomingMessage): Promise<Answer> {
  const misdirected = check(request);
  if (misdirected !== null) return text(421, misdirected);
  const route = routes.get((request.url ?? "/").split("?", 1)[0]!);
  if (!route) return text(404, `not found; there are ${[...routes.keys()].join(", ")}`);
  if (request.method !== "GET" && request.method !== "HEAD") {
    return text(405, "only GET and HEAD are answered", { Allow: "GET, HEAD" });
  }
  try {
    return await route();
  } catch (error) {
    return text(500, redact(error instanceof Error ? error.message : String(error)));
  }
}

/** Serves `/metrics`, `/healthz` and `/readyz`. Rejects with one sentence when it cannot listen. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port } = options;
  const routes = routesOf(options);
  const check = hostCheckOf(options);
  const server = createServer({ ...TIMES }, (request, response) => {
    void answer(routes, check, request).then((made) => send(request, response, made));
  });
  const connections = guardConnections(server);
  const keys = { host: "metrics.host", port: "metrics.port" };
  await listenAt(server, { what: "metrics", host, port, keys, code: "metrics-listen" });
  const { address, port: taken } = server.address() as AddressInfo;
  const shown = address.includes(":") ? `[${address}]` : address;
  return {
    url: `http://${shown}:${taken}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        connections.cut();
      }),
  };
}
