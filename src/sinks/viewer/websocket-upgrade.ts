import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { PARTING_MS, refuseSocket } from "../../http/headers.js";
import { NO_PAGE, NO_TOKEN, pathOf } from "./routes.js";
import type { Visit } from "./visit.js";

const LIMITS = {
  browsers: 32,
  /** Largest message from a browser: the list of the sources it looks at. */
  messageBytes: 256 * 1024,
  /** Parts that it may come in. */
  messageParts: 64,
};

/** Says why, and ends the connection though the browser may not. */
export function dismiss(browser: WebSocket, code: number, why: string): void {
  browser.close(code, why);
  const parting = setTimeout(() => browser.terminate(), PARTING_MS);
  browser.once("close", () => clearTimeout(parting));
}

/** Why this upgrade is refused, or null. Keeps other web sites from reading the cameras through a visitor's browser. */
function refusal(request: IncomingMessage, { access, misdirected }: Visit): [status: number, reason: string] | null {
  const { origin, host = "" } = request.headers;
  if (pathOf(request) !== "/live") return [404, NO_PAGE];
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)) {
    return [403, "the page that asks comes from another site"];
  }
  // A page of the site has the cookie by now; a program may show the token on the socket's own address.
  if (access.kind === "refused") return [401, NO_TOKEN];
  // A foreign name that was made to resolve to this machine would pass the check above.
  return misdirected === null ? null : [403, misdirected];
}

export interface UpgradeOptions {
  /** Browsers that are connected already. */
  count(): number;
  onBrowser(socket: WebSocket): void;
}

/** Turns requests for `/live` into websockets, those that may. */
export function acceptBrowsers(http: Server, visitOf: (request: IncomingMessage) => Visit, options: UpgradeOptions) {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: LIMITS.messageBytes,
    maxFragments: LIMITS.messageParts,
    // It would answer each ping, and so keep an answer for each that is not read.
    autoPong: false,
  });
  sockets.on("wsClientError", (error, socket) =>
    refuseSocket(socket, 400, error.message, { "Sec-WebSocket-Version": "13" }),
  );
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    const refused = refusal(request, visitOf(request));
    if (refused) return refuseSocket(socket, ...refused);
    sockets.handleUpgrade(request, socket, head, (browser) => {
      // A broken connection ends in "close" as well, which is where it is handled.
      browser.on("error", () => browser.terminate());
      // Told by the websocket: a page is not shown the answer to a refused upgrade.
      if (options.count() < LIMITS.browsers) options.onBrowser(browser);
      else dismiss(browser, 1013, `${LIMITS.browsers} browsers are connected already, which is the limit`);
    });
  });
}
