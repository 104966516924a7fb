import type { IncomingMessage, ServerResponse } from "node:http";
import { HEADERS, TEXT } from "../../http/headers.js";
import type { Asset } from "./assets.js";
import type { Visit } from "./visit.js";

export const NO_PAGE = "there is no such page";
export const NO_TOKEN = "this page is for those who have its token: open it with ?token=… behind its address";

export const pathOf = (request: IncomingMessage): string => (request.url ?? "/").split("?", 1)[0]!;

/** Answers with one sentence. */
export function sendError(
  response: ServerResponse,
  status: number,
  text: string,
  more: Record<string, string> = {},
): void {
  response.writeHead(status, { ...HEADERS, ...TEXT, ...more });
  response.end(`${text}\n`);
}

/** Answers a request for a file of the page. */
export function serveStatic(
  assets: ReadonlyMap<string, Asset>,
  { access, misdirected }: Visit,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (request.headers.host === undefined && request.httpVersion !== "1.0") {
    return sendError(response, 400, "a request names its host", { Connection: "close" });
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return sendError(response, 405, "only GET is answered here", { Allow: "GET, HEAD", Connection: "close" });
  }
  if (access.kind === "refused") return sendError(response, 401, NO_TOKEN, { "WWW-Authenticate": "Bearer" });
  if (misdirected !== null) return sendError(response, 421, misdirected);
  const path = pathOf(request);
  const asset = assets.get(path);
  if (!asset) return sendError(response, 404, NO_PAGE);
  if (access.kind === "cookie") {
    response.writeHead(303, { ...HEADERS, "Set-Cookie": access.cookie, Location: path });
    response.end();
    return;
  }
  if (request.headers["if-none-match"] === asset.etag) {
    response.writeHead(304, { ...HEADERS, ETag: asset.etag });
    response.end();
    return;
  }
  const length = asset.body.byteLength;
  response.writeHead(200, { ...HEADERS, "Content-Type": asset.type, "Content-Length": length, ETag: asset.etag });
  response.end(request.method === "HEAD" ? undefined : asset.body);
}
