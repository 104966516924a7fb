import type { IncomingMessage } from "node:http";
import { hostCheck } from "../../http/hosts.js";
import { type Access, accessWith } from "./access.js";

/** What is known of a request before it is answered. */
export interface Visit {
  access: Access;
  /** Why it is not answered under the name that it calls this machine by; null when it may be. */
  misdirected: string | null;
  /**
   * The same, though a proxy seems to stand between. A page that reached this machine by a foreign name of its own could
   * say so of its requests: what holds pictures and has an address that can be guessed is not answered.
   */
  foreign: string | null;
}

export interface VisitOptions {
  host: string;
  hosts: readonly string[];
  token?: string;
}

/** Judges requests, before any of them comes: the token's cookie takes a moment to make. */
export async function visitsOf({ host, hosts, token }: VisitOptions): Promise<(request: IncomingMessage) => Visit> {
  const accessOf = await accessWith(token);
  const answersTo = hostCheck(host, hosts);
  return (request) => {
    const { headers } = request;
    // A browser lets no page set these headers on a websocket, so a proxy did, which has a name of its own.
    const isProxied = headers["x-forwarded-for"] !== undefined || headers.forwarded !== undefined;
    // Browsers send a cookie to the name alone that set it.
    const foreign = token === undefined ? answersTo(request) : null;
    return { access: accessOf(request), foreign, misdirected: isProxied ? null : foreign };
  };
}
