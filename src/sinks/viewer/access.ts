import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { percentDecoded } from "../../percent-decoded.js";

const COOKIE = "video-explainer-view";

/** What a request may: see the page, be sent to it with a cookie, or nothing. */
export type Access = { kind: "granted" } | { kind: "cookie"; cookie: string; location: string } | { kind: "refused" };

const GRANTED: Access = { kind: "granted" };
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/**
 * Who may see the page. With a token: who bears it (`Authorization: Bearer …`), who opens the page with `?token=…`, which
 * leaves a cookie, and who has that cookie. The cookie is made from the token and does not tell it.
 */
export function accessWith(token: string | undefined): (request: IncomingMessage) => Access {
  if (token === undefined) return () => GRANTED;
  const ticket = createHmac("sha256", token).update(COOKIE).digest("base64url");
  return ({ headers, url = "/" }) => {
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
    if (bearer !== undefined && isSame(bearer, token)) return GRANTED;
    const cookies = (headers.cookie ?? "").split(/; */);
    if (cookies.some((c) => c.startsWith(`${COOKIE}=`) && isSame(c.slice(COOKIE.length + 1), ticket))) return GRANTED;
    const [path = "/"] = url.split("?", 1);
    // All behind the first question mark, + as it stands: a token may hold either.
    const shown = /(?:^|&)token=([^&]*)/.exec(url.slice(path.length + 1))?.[1];
    if (shown === undefined || !isSame(percentDecoded(shown), token)) return { kind: "refused" };
    // A path of two slashes would lead to another host.
    const location = path.replace(/^[/\\]*/, "/");
    return { kind: "cookie", cookie: `${COOKIE}=${ticket}; Path=/; HttpOnly; SameSite=Strict`, location };
  };
}
