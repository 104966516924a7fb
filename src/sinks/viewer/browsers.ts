import { type RawData, WebSocket } from "ws";
import type { Decisions } from "./decisions/index.js";
import { replyToPings } from "./ping-reply.js";
import { parseClientMessage, type ServerMessage } from "./protocol.js";
import { createRateLimiter, type RateLimiter } from "./rate-limiter.js";
import type { Picture, SourceBook } from "./sources.js";
import { createStallDetector, type StallDetector } from "./stall-detector.js";
import type { PageStyle } from "./style.js";
import { dismiss } from "./websocket-upgrade.js";

const LIMITS = {
  newsEveryMs: 100,
  pingEveryMs: 15_000,
  /** Unsent bytes beyond which a browser gets no more pictures, and no more news, until they are gone. */
  pictureBacklog: 2 * 1024 * 1024,
  newsBacklog: 4 * 1024 * 1024,
  /** A picture without its original waits so long for one that has it. */
  partialWaitMs: 1_500,
  /** So many bytes of a message cost as much as one small message. */
  costBytes: 1024,
};

interface Browser {
  socket: WebSocket;
  /** Null: all sources. */
  watched: ReadonlySet<string> | null;
  /** Their names without stations. */
  watchedNames: ReadonlySet<string>;
  /** Per source: the picture on its way or drawn last. */
  sent: Map<string, { id: number; acknowledged: boolean }>;
  alive: boolean;
  /** News was withheld: it needs everything again. */
  behind: boolean;
  rateLimiter: RateLimiter;
  stallDetector: StallDetector;
}

/**
 * The connected browsers. Of each source a browser has at most one picture under way, and gets the newest one when it
 * has drawn that; what came between is skipped. Nothing here ever makes the writer wait.
 */
export function createBrowsers(
  book: SourceBook,
  decisions: Pick<Decisions, "news" | "snapshot" | "forget">,
  style: PageStyle,
  onPicture: () => void,
) {
  const browsers = new Set<Browser>();
  let timer: NodeJS.Timeout | undefined;
  let pinger: NodeJS.Timeout | undefined;

  const say = (browser: Browser, message: ServerMessage) => browser.socket.send(JSON.stringify(message));
  const watches = (browser: Browser, key: string) => browser.watched === null || browser.watched.has(key);

  const offer = (browser: Browser, picture: Picture) => {
    if (!watches(browser, picture.key) || browser.socket.readyState !== WebSocket.OPEN) return;
    const last = browser.sent.get(picture.key);
    if (last && (!last.acknowledged || last.id === picture.id)) return;
    if (browser.socket.bufferedAmount > LIMITS.pictureBacklog) return;
    if (picture.partial && Date.now() - picture.arrivedAt < LIMITS.partialWaitMs) return;
    browser.sent.set(picture.key, { id: picture.id, acknowledged: false });
    browser.socket.send(picture.message());
    onPicture();
  };

  const greet = (browser: Browser) => {
    browser.behind = false;
    const known = { sources: book.snapshot(), decisions: decisions.snapshot() };
    say(browser, { type: "hello", now: Date.now(), ...known, style });
  };

  const tick = () => {
    const { changed, gone } = book.news();
    const now = Date.now();
    const texts: string[] = [];
    if (gone.length > 0) texts.push(JSON.stringify({ type: "gone", now, keys: gone } satisfies ServerMessage));
    if (changed.length > 0) texts.push(JSON.stringify({ type: "news", now, sources: changed } satisfies ServerMessage));
    // What was added anew has decisions of its own.
    for (const key of gone) if (!book.has(key)) decisions.forget(key);
    const kept = decisions.news();
    if (kept.length > 0) texts.push(JSON.stringify({ type: "decisions", now, news: kept } satisfies ServerMessage));
    const pictures = book.pictures();
    for (const browser of browsers) {
      for (const key of gone) browser.sent.delete(key);
      const unsent = browser.socket.bufferedAmount;
      if (browser.stallDetector.isStuck(unsent)) browser.socket.terminate();
      else if (unsent > LIMITS.newsBacklog) browser.behind = true;
      else if (browser.behind) greet(browser);
      else for (const text of texts) browser.socket.send(text);
      for (const picture of pictures) offer(browser, picture);
    }
  };

  const ping = () => {
    for (const browser of browsers) {
      if (!browser.alive) browser.socket.terminate();
      browser.alive = false;
      if (browser.socket.readyState === WebSocket.OPEN) browser.socket.ping();
    }
  };

  /** False when the browser has asked for more than it may, and is dismissed. */
  const allows = (browser: Browser, cost: number): boolean => {
    if (browser.rateLimiter.spend(cost)) return true;
    dismiss(browser.socket, 1008, "this is more than the live page ever asks for");
    return false;
  };

  const onMessage = (browser: Browser, data: RawData, isBinary: boolean) => {
    if (browser.socket.readyState !== WebSocket.OPEN) return;
    const text = data.toString();
    const message = isBinary ? null : parseClientMessage(text);
    if (!message) return dismiss(browser.socket, 1008, "this is not a message of the live page");
    if (message.type === "watch") {
      if (!allows(browser, 1 + text.length / LIMITS.costBytes)) return;
      const { keys } = message;
      browser.watched = keys && new Set(keys);
      browser.watchedNames = new Set(keys?.map((key) => key.slice(key.indexOf("/") + 1)));
      for (const picture of book.pictures()) offer(browser, picture);
      return;
    }
    const last = browser.sent.get(message.key);
    // Who draws what it was sent may say so, however much that is.
    if (last?.id === message.id && !last.acknowledged) last.acknowledged = true;
    else if (!allows(browser, 1)) return;
    const newest = book.picture(message.key);
    if (newest) offer(browser, newest);
  };

  return {
    start() {
      timer ??= setInterval(tick, LIMITS.newsEveryMs);
      pinger ??= setInterval(ping, LIMITS.pingEveryMs);
    },
    add(socket: WebSocket) {
      // What is pending goes out first: the newcomer's snapshot holds it already.
      tick();
      const browser: Browser = {
        socket,
        watched: null,
        watchedNames: new Set(),
        sent: new Map(),
        alive: true,
        behind: false,
        rateLimiter: createRateLimiter(),
        stallDetector: createStallDetector(),
      };
      browsers.add(browser);
      socket.on("message", (data, isBinary) => onMessage(browser, data, isBinary));
      replyToPings(socket);
      for (const kind of ["ping", "pong"] as const) {
        socket.on(kind, () => {
          browser.alive = true;
          if (socket.readyState === WebSocket.OPEN) allows(browser, 1);
        });
      }
      socket.on("close", () => browsers.delete(browser));
      greet(browser);
      for (const picture of book.pictures()) offer(browser, picture);
    },
    /** A picture has come: browsers that are ready for it get it now. */
    offer(picture: Picture) {
      for (const browser of browsers) offer(browser, picture);
    },
    /** From now on heat is drawn so, also that which is on the page. */
    restyle(now: PageStyle) {
      style = now;
      // Who is behind is greeted anew.
      for (const browser of browsers) if (!browser.behind) say(browser, { type: "style", style });
    },
    count: () => browsers.size,
    /** True while some browser looks at this source. */
    lookingAt(source: string): boolean {
      for (const { watched, watchedNames } of browsers) if (watched === null || watchedNames.has(source)) return true;
      return false;
    },
    stop() {
      clearInterval(timer);
      clearInterval(pinger);
      for (const { socket } of browsers) socket.close(1001, "the worker has ended");
    },
  };
}
