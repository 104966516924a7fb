import type { Server } from "node:http";
import { type ErrorCode, InputError, VideoExplainerError } from "../errors.js";

/** A server that shall listen. */
interface Listener {
  /** E.g. `metrics`. */
  what: string;
  host: string;
  port: number;
  /** How its configuration is named, e.g. `metrics.port`. */
  keys: { host: string; port: string };
  code: Extract<ErrorCode, `${string}-listen`>;
}

/** Rejects with why nothing can listen at that address, and what to do. */
export const listenAt = (server: Server, listener: Listener): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", (cause) => reject(listenError(cause, listener)));
    server.listen(listener.port, listener.host, resolve);
  });

function listenError(cause: NodeJS.ErrnoException, { what, host, port, keys, code }: Listener) {
  const failed = (Kind: typeof VideoExplainerError, why: string): VideoExplainerError =>
    new Kind(code, `${what} cannot listen on ${host}:${port}: ${why}`, { cause });
  switch (cause.code) {
    case "EADDRINUSE":
      return failed(VideoExplainerError, `another program listens there; end it, or set ${keys.port} to a free one`);
    case "EACCES":
      return failed(InputError, `ports below 1024 need privileges; set ${keys.port} to a higher one`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return failed(InputError, `this machine has no such address; set ${keys.host} to one of its own, or to 0.0.0.0`);
    default:
      return failed(VideoExplainerError, cause.message);
  }
}
