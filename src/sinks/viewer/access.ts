import { createHash, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { percentDecoded } from "../../percent-decoded.js";

const COOKIE = "video-explainer-view";
const BYTES = { name: 6, value: 32 };
/** Five times Node.js's default of work, in its default of memory: 16 MiB. */
const WORK = { p: 5 };

/** What a request may: see the page, be sent to it with a cookie, or nothing. */
export type Access = { kind: "granted" } | { kind: "cookie"; cookie: string } | { kind: "refused" };

const GRANTED: Access = { kind: "granted" };
const derive = promisify<string, string, number, ScryptOptions, Buffer>(scrypt);
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/** Name and value of the cookie. They take long to make, so that who has them cannot try out tokens quickly. */
async function cookieFor(token: string): Promise<{ name: string; value: string }> {
  const key = await derive(token, COOKIE, BYTES.name + BYTES.value, WORK);
  // Cookies know no ports: pages with tokens of their own on one host need names of their own.
  const name = `${COOKIE}-${key.subarray(0, BYTES.name).toString("hex")}`;
  return { name, value: key.subarray(BYTES.name).toString("base64url") };
}

/**
 * Who may see the page. With a token: who bears it (`Authorization: Bearer …`), who opens the page with `?token=…`, which
 * leaves a cookie, and who has that cookie. The cookie is made from the token and does not tell it.
 */
export async function accessWith(token: string | undefined): Promise<(request: IncomingMessage) => Access> {
  if (token === undefined) return () => GRANTED;
  const { name, value } = await cookieFor(token);
  return ({ headers, url = "/" }) => {
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
    if (bearer !== undefined && isSame(bearer, token)) return GRANTED;
    const cookies = (headers.cookie ?? "").split(/; */);
    if (cookies.some((c) => c.startsWith(`${name}=`) && isSame(c.slice(name.length + 1), value))) return GRANTED;
    const [path = "/"] = url.split("?", 1);
    // All behind the first question mark, + as it stands: a token may hold either.
    const shown = /(?:^|&)token=([^&]*)/.exec(url.slice(path.length + 1))?.[1];
    if (shown === undefined || !isSame(percentDecoded(shown), token)) return { kind: "refused" };
    // Behind a proxy the browser may speak HTTPS although this server does not; the first proxy's word comes first.
    const secure = /^\s*https\s*(,|$)/i.test(`${headers["x-forwarded-proto"] ?? ""}`) ? "; Secure" : "";
    return { kind: "cookie", cookie: `${name}=${value}; Path=/; HttpOnly; SameSite=Strict${secure}` };
  };
}
