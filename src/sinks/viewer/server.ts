import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { VideoExplainerError } from "../../errors.js";
import { type Access, accessWith } from "./access.js";
import type { Asset } from "./assets.js";

const LIMITS = {
  browsers: 32,
  connections: 256,
  /** Largest message from a browser: the list of the sources it looks at. */
  messageBytes: 256 * 1024,
};

const HEADERS = {
  "Content-Security-Policy":
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
  "Cache-Control": "no-cache",
};

const WHY: Record<string, (port: number) => string> = {
  EADDRINUSE: (port) => `port ${port} is in use: stop the program that has it, or choose another port`,
  EACCES: (port) => `port ${port} is not allowed for this user: choose one above 1023`,
  EADDRNOTAVAIL: () => "this machine has no such address: use 127.0.0.1, or 0.0.0.0 for all",
  ENOTFOUND: () => "this host name is not known: use 127.0.0.1, or 0.0.0.0 for all",
};

export interface ViewerServerOptions {
  host: string;
  port: number;
  assets: ReadonlyMap<string, Asset>;
  /** Who looks must show it. */
  token?: string;
  /** Browsers that are connected already. */
  count(): number;
  onBrowser(socket: WebSocket): void;
}

/** Serves the page and its websocket `/live`. */
export interface ViewerServer {
  url: string;
  close(): Promise<void>;
}

export const isLoopback = (host: string) => /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host);

const NO_TOKEN = "this page is for those who have its token: open it with ?token=… behind its address";

function answer(
  assets: ReadonlyMap<string, Asset>,
  access: Access,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const refuse = (status: number, text: string, headers = {}) => {
    response.writeHead(status, { ...HEADERS, "Content-Type": "text/plain; charset=utf-8", ...headers });
    response.end(`${text}\n`);
  };
  if (request.method !== "GET" && request.method !== "HEAD") {
    return refuse(405, "only GET is answered here", { Allow: "GET, HEAD" });
  }
  if (access.kind === "refused") return refuse(401, NO_TOKEN, { "WWW-Authenticate": "Bearer" });
  if (access.kind === "cookie") {
    response.writeHead(303, { ...HEADERS, "Set-Cookie": access.cookie, Location: access.location });
    return response.end();
  }
  const asset = assets.get((request.url ?? "/").split("?", 1)[0]!);
  if (!asset) return refuse(404, "there is no such page");
  if (request.headers["if-none-match"] === asset.etag) {
    response.writeHead(304, { ...HEADERS, ETag: asset.etag });
    return response.end();
  }
  const length = asset.body.byteLength;
  response.writeHead(200, { ...HEADERS, "Content-Type": asset.type, "Content-Length": length, ETag: asset.etag });
  response.end(request.method === "HEAD" ? undefined : asset.body);
}

/** Why this upgrade is refused, or null. Keeps other web sites from reading the cameras through a visitor's browser. */
function refusal(request: IncomingMessage, boundTo: string, access: Access): [status: string, reason: string] | null {
  const { origin, host = "" } = request.headers;
  if ((request.url ?? "").split("?", 1)[0] !== "/live") return ["404 Not Found", "there is no such page"];
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)) {
    return ["403 Forbidden", "the page that asks comes from another site"];
  }
  // A page of the site has the cookie by now; a program may show the token on the socket's own address.
  if (access.kind === "refused") return ["401 Unauthorized", NO_TOKEN];
  const proxied = request.headers["x-forwarded-for"] !== undefined || request.headers.forwarded !== undefined;
  // A foreign name that was made to resolve to this machine would pass the check above.
  if (isLoopback(boundTo) && !proxied && !isLoopback(host.replace(/:\d+$/, ""))) {
    return ["403 Forbidden", `this page listens on ${boundTo} alone and does not answer to the name ${host}`];
  }
  return null;
}

/** Starts to listen. Port 0 takes a free one. Rejects with a sentence when the address cannot be had. */
export async function startViewerServer(options: ViewerServerOptions): Promise<ViewerServer> {
  const { host, port, assets } = options;
  const accessOf = accessWith(options.token);
  const http: Server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) =>
    answer(assets, accessOf(request), request, response),
  );
  http.maxConnections = LIMITS.connections;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: LIMITS.messageBytes, perMessageDeflate: false });

  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    const refused = refusal(request, host, accessOf(request));
    if (refused) {
      const [status, reason] = refused;
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${reason}\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (browser) => {
      // A broken connection ends in "close" as well, which is where it is handled.
      browser.on("error", () => browser.terminate());
      if (options.count() >= LIMITS.browsers) {
        browser.close(1013, `${LIMITS.browsers} browsers are connected already, which is the limit`);
        return;
      }
      options.onBrowser(browser);
    });
  });

  await new Promise<void>((resolve, reject) => {
    http.once("error", (cause: NodeJS.ErrnoException) => {
      const why = WHY[cause.code ?? ""]?.(port) ?? cause.message;
      reject(new VideoExplainerError("viewer-listen", `the live page cannot listen on ${host}: ${why}`, { cause }));
    });
    http.listen(port, host, resolve);
  });

  const wildcard = host === "0.0.0.0" || host === "::";
  const shown = wildcard ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shown}:${(http.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        sockets.close();
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}
