import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { guardConnections, TIMES } from "../../http/connections.js";
import { isWildcard } from "../../http/hosts.js";
import { listenAt } from "../../http/listen.js";
import { answer, type Route, sendError } from "./routes.js";
import { visitsOf } from "./visit.js";
import { acceptBrowsers, type UpgradeOptions } from "./websocket-upgrade.js";

export interface ViewerServerOptions extends UpgradeOptions {
  host: string;
  port: number;
  /** Names that the page answers to, beside its addresses and the machine's own name. */
  hosts: readonly string[];
  /** What is answered beside the websocket; the first that knows a path answers. */
  routes: readonly Route[];
  /** Who looks must show it. */
  token?: string;
}

/** Serves the page and its websocket `/live`. */
export interface ViewerServer {
  url: string;
  /** Takes nobody any more and gives browsers the time to part; then whatever is connected is cut. */
  close(partingMs: number): Promise<void>;
}

/** Starts to listen. Port 0 takes a free one. Rejects with a sentence when the address cannot be had. */
export async function startViewerServer(options: ViewerServerOptions): Promise<ViewerServer> {
  const { host, port, routes } = options;
  const visitOf = await visitsOf(options);
  // The host is asked for by the handler itself, whose refusals have its headers.
  const http = createServer({ ...TIMES, requireHostHeader: false }, (request, response) =>
    answer(routes, visitOf(request), request, response),
  );
  http.on("checkExpectation", (_request, response) =>
    sendError(response, 417, "nothing can be expected here", { Connection: "close" }),
  );
  const connections = guardConnections(http);
  acceptBrowsers(http, visitOf, options);
  const keys = { host: "its host", port: "its port" };
  await listenAt(http, { what: "the live page", host, port, keys, code: "viewer-listen" });

  const shown = isWildcard(host) ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shown}:${(http.address() as AddressInfo).port}/`,
    close: (partingMs) =>
      new Promise((resolve) => {
        const parting = setTimeout(connections.cut, partingMs);
        http.close(() => {
          clearTimeout(parting);
          resolve();
        });
        http.closeAllConnections();
      }),
  };
}
