import type { IncomingMessage, ServerResponse } from "node:http";
import { HEADERS, TEXT } from "../../http/headers.js";
import type { Visit } from "./visit.js";

export const NO_PAGE = "there is no such page";
export const NO_TOKEN = "this page is for those who have its token: open it with ?token=… behind its address";

/** Answers requests for what it knows, of those who may have it; false: it knows nothing of that path. */
export type Route = (path: string, visit: Visit, request: IncomingMessage, response: ServerResponse) => boolean;

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

/** Answers a request by the first route that knows its path, if whoever asks may be answered at all. */
export function answer(
  routes: readonly Route[],
  visit: Visit,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (request.headers.host === undefined && request.httpVersion !== "1.0") {
    return sendError(response, 400, "a request names its host", { Connection: "close" });
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return sendError(response, 405, "only GET is answered here", { Allow: "GET, HEAD", Connection: "close" });
  }
  if (visit.access.kind === "refused") return sendError(response, 401, NO_TOKEN, { "WWW-Authenticate": "Bearer" });
  if (visit.misdirected !== null) return sendError(response, 421, visit.misdirected);
  const path = pathOf(request);
  if (!routes.some((route) => route(path, visit, request, response))) sendError(response, 404, NO_PAGE);
}
