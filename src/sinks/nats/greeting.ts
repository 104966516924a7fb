import { createConnection, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { NatsConnection } from "nats";
import { z } from "zod";
import { oneLine } from "../../log.js";
import { redact } from "../../redact.js";
import { truncate } from "../../truncate.js";
import { type TlsMaterial, tlsOptions } from "./login.js";
import type { NatsServer } from "./servers.js";

/** The fields of a server's INFO that are used. Any program that listens on that port can write it, and again at any time. */
export interface ServerInfo {
  maxPayload: number;
  /** `host:port` of the members of its cluster, as it tells them. */
  members: string[];
}

const infoSchema = z.object({
  version: z.string().regex(/^\d{1,9}\.\d{1,9}\.\d{1,9}/),
  max_payload: z.int().positive(),
  connect_urls: z.array(z.string().max(300)).max(1024).nullish(),
  headers: z.boolean().optional(),
  jetstream: z.boolean().optional(),
  tls_required: z.boolean().optional(),
  nonce: z.string().max(1024).optional(),
});

/** Throws one sentence's middle part when this is no INFO of a server. */
export function readInfo(info: unknown): ServerInfo {
  const read = infoSchema.safeParse(info);
  if (!read.success) {
    const key = read.error.issues[0]?.path.join(".") || "its form";
    throw new Error(`it greets with an INFO that is not understood, for ${key}`);
  }
  return { maxPayload: read.data.max_payload, members: read.data.connect_urls ?? [] };
}

/** The largest message that a server takes now, in bytes: it may change that, and one that tells nonsense does not. */
export function maxPayloadOf({ info }: Pick<NatsConnection, "info">, before: number): number {
  const announced: unknown = info?.max_payload;
  return Number.isSafeInteger(announced) && (announced as number) > 0 ? (announced as number) : before;
}

/** Far more than a cluster of thousands needs. */
const MAX_INFO_BYTES = 256 * 1024;

/** What is wrong with the first line of a server, in the middle of a sentence. */
function greetingFault(line: string): string | undefined {
  if (line.startsWith("-ERR")) return `it says ${truncate(oneLine(redact(line.slice(4))), 200)}`;
  if (!line.startsWith("INFO ")) return "it does not greet as one";
  try {
    readInfo(JSON.parse(line.slice(5)));
    return undefined;
  } catch (error) {
    return error instanceof SyntaxError ? "it greets with an INFO that is no JSON" : (error as Error).message;
  }
}

/**
 * Resolves when the server greets as a NATS server does within the time; rejects with the socket's error, or with what is
 * wrong. The client leaks a descriptor for every server that accepts and stays silent, and stops reading, with a stack on the
 * standard output, at what it does not understand: no such server is handed to it. A server that begins with TLS greets
 * after the handshake.
 */
export function awaitInfo(
  server: NatsServer,
  tls: TlsMaterial | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Error("closing"));
    const socket = open(server, tls);
    let greeting = Buffer.alloc(0);
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      // A late error of a socket nobody listens to would end the process.
      socket.on("error", () => undefined);
      socket.destroy();
      signal.removeEventListener("abort", abort);
      if (error) reject(error);
      else resolve();
    };
    const abort = (): void => finish(new Error("closing"));
    const timer = setTimeout(
      () => finish(Object.assign(new Error("timeout"), { code: "ETIMEDOUT" })),
      Math.min(timeoutMs, 2 ** 31 - 1),
    );
    signal.addEventListener("abort", abort, { once: true });
    socket.on("data", (chunk: Buffer) => {
      greeting = Buffer.concat([greeting, chunk]);
      const end = greeting.indexOf("\n");
      if (end < 0 && greeting.length <= MAX_INFO_BYTES) return;
      const fault = end < 0 ? "its greeting has no end" : greetingFault(greeting.toString("utf8", 0, end));
      finish(fault === undefined ? undefined : new Error(fault));
    });
    socket.once("error", finish);
    socket.once("close", () => finish(Object.assign(new Error("closed"), { code: "ECONNRESET" })));
  });
}

/**
 * The alert with which the server ends a TLS handshake after its greeting; undefined when it does not within the time.
 * The client loses it when it writes to the closing connection.
 */
export function tlsRefusal(server: NatsServer, tls: TlsMaterial, timeoutMs: number): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const plain = createConnection({ host: server.host, port: server.port });
    const sockets = [plain];
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      // First: a socket that is destroyed may call this again at once.
      resolve(error);
      for (const socket of sockets) socket.destroy();
    };
    const timer = setTimeout(finish, timeoutMs);
    plain.on("error", () => finish());
    plain.once("data", () => {
      const secure = connectTls({ ...tlsOptions(tls, server), socket: plain });
      sockets.push(secure);
      secure.on("error", finish);
      secure.once("close", () => finish());
    });
  });
}

const open = (server: NatsServer, tls: TlsMaterial | undefined): Socket =>
  tls?.handshakeFirst
    ? connectTls({ ...tlsOptions(tls, server), port: server.port })
    : createConnection({ host: server.host, port: server.port });
