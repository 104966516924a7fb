import { HEADERS } from "../../http/headers.js";
import type { Asset } from "./assets.js";
import type { Route } from "./routes.js";

/** Answers requests for the files of the page. */
export const serveStatic =
  (assets: ReadonlyMap<string, Asset>): Route =>
  (path, { access }, request, response) => {
    const asset = assets.get(path);
    if (!asset) return false;
    if (access.kind === "cookie") {
      response.writeHead(303, { ...HEADERS, "Set-Cookie": access.cookie, Location: path });
      response.end();
      return true;
    }
    if (request.headers["if-none-match"] === asset.etag) {
      response.writeHead(304, { ...HEADERS, ETag: asset.etag });
      response.end();
      return true;
    }
    const length = asset.body.byteLength;
    response.writeHead(200, { ...HEADERS, "Content-Type": asset.type, "Content-Length": length, ETag: asset.etag });
    response.end(request.method === "HEAD" ? undefined : asset.body);
    return true;
  };
