import { createConnection } from "node:net";
import type { NatsSinkConfig } from "../config/schema.js";
import { InputError } from "../errors.js";

export interface NatsServer {
  /** As given to a socket: no brackets, no credentials. */
  host: string;
  port: number;
  /** `host:port`, for the client and for people. */
  address: string;
}

export interface NatsServers {
  servers: NatsServer[];
  /** True when an address says `tls://`: a server that does not encrypt is then refused. */
  tls: boolean;
  user?: string;
  password?: string;
  token?: string;
}

const DEFAULT_PORT = 4222;
const SCHEMES = new Set(["nats:", "tls:", "nats+tls:"]);

/**
 * Addresses and credentials of a configuration. Credentials inside an address (`nats://user:password@host`,
 * `nats://token@host`) count where the configuration gives none. An unreadable address is an InputError.
 */
export function readServers(config: Pick<NatsSinkConfig, "servers" | "user" | "password" | "token">): NatsServers {
  const found: NatsServers = { servers: [], tls: false };
  for (const text of config.servers) {
    const url = parse(text);
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
    found.servers.push({ host, port, address: `${url.hostname}:${port}` });
    found.tls ||= url.protocol !== "nats:";
    const [user, password] = [decode(url.username), decode(url.password)];
    if (!user || found.user !== undefined || found.token !== undefined) continue;
    if (url.password === "") found.token = user;
    else Object.assign(found, { user, password });
  }
  if (config.token !== undefined) return { servers: found.servers, tls: found.tls, token: config.token };
  if (config.user === undefined) return found;
  return { servers: found.servers, tls: found.tls, user: config.user, password: config.password };
}

function parse(text: string): URL {
  const full = text.includes("://") ? text : `nats://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url && SCHEMES.has(url.protocol) && url.hostname !== "" && ["", "/"].includes(url.pathname)) return url;
  const shown = JSON.stringify(text.replace(/[^/]*@/, "***@"));
  throw new InputError("nats-server", `NATS server ${shown} cannot be read: write it as nats://host:4222`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone % is a character of the password.
    return text;
  }
}

/**
 * Resolves when the server greets (any first byte) within the time; rejects with the socket's error. The client leaks
 * a descriptor for every server that accepts and stays silent, so no such server is handed to it.
 */
export function greets(server: NatsServer, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: server.host, port: server.port });
    const finish = (error?: Error): void => {
      socket.removeAllListeners();
      // A late error of a socket nobody listens to would end the process.
      socket.on("error", () => undefined);
      socket.destroy();
      signal.removeEventListener("abort", abort);
      if (error) reject(error);
      else resolve();
    };
    const abort = (): void => finish(new Error("closing"));
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    socket.setTimeout(timeoutMs, () => finish(Object.assign(new Error("timeout"), { code: "ETIMEDOUT" })));
    socket.once("data", () => finish());
    socket.once("error", finish);
    socket.once("close", () => finish(Object.assign(new Error("closed"), { code: "ECONNRESET" })));
  });
}
