import type { Server } from "node:http";
import type { Socket } from "node:net";
import { refuseSocket } from "./headers.js";

const LIMITS = {
  connections: 256,
  /** Half of them, so that no one machine keeps out all others; a proxy has room for every browser. */
  ofOneAddress: 128,
};

/** Options of the HTTP server. A connection that brings no whole request in these times is cut. */
export const TIMES = {
  headersTimeout: 4_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 500,
  /** Nothing read and nothing taken for so long. */
  idle: 10_000,
};

const BROKEN: Record<string, [status: number, text: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the request took too long to come"],
  HPE_HEADER_OVERFLOW: [431, "the request's headers are too long"],
};

/** Limits the connections of a server, answers broken requests, and can cut whatever is left. */
export function guardConnections(http: Server) {
  const open = new Set<Socket>();
  const perAddress = new Map<string, number>();
  http.maxConnections = LIMITS.connections;
  http.timeout = TIMES.idle;

  http.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    const count = (perAddress.get(address) ?? 0) + 1;
    open.add(socket);
    perAddress.set(address, count);
    socket.once("close", () => {
      open.delete(socket);
      const left = perAddress.get(address)! - 1;
      if (left > 0) perAddress.set(address, left);
      else perAddress.delete(address);
    });
    if (count > LIMITS.ofOneAddress) socket.destroy();
  });
  http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET") socket.destroy();
    else refuseSocket(socket, ...(BROKEN[error.code ?? ""] ?? ([400, "this is not a request"] as const)));
  });

  return {
    /** Ends all connections at once, upgraded ones too. */
    cut() {
      for (const socket of open) socket.destroy();
    },
  };
}
