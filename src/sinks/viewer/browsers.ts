import { type RawData, WebSocket } from "ws";
import { parseClientMessage, type ServerMessage } from "./protocol.js";
import type { Picture, SourceBook } from "./sources.js";

const LIMITS = {
  newsEveryMs: 100,
  pingEveryMs: 15_000,
  /** Unsent bytes beyond which a browser gets no more pictures, and no more news, until they are gone. */
  pictureBacklog: 2 * 1024 * 1024,
  newsBacklog: 4 * 1024 * 1024,
  /** A picture without its original waits so long for one that has it. */
  partialWaitMs: 1_500,
};

interface Browser {
  socket: WebSocket;
  /** Null: all sources. */
  watched: ReadonlySet<string> | null;
  /** Per source: the picture on its way or drawn last. */
  sent: Map<string, { id: number; acknowledged: boolean }>;
  alive: boolean;
  /** News was withheld: it needs everything again. */
  behind: boolean;
}

/**
 * The connected browsers. Of each source a browser has at most one picture under way, and gets the newest one when it
 * has drawn that; what came between is skipped. Nothing here ever makes the writer wait.
 */
export function createBrowsers(book: SourceBook, onPicture: () => void) {
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
    say(browser, { type: "hello", now: Date.now(), sources: book.snapshot() });
  };

  const tick = () => {
    const { changed, gone } = book.news();
    const now = Date.now();
    const texts: string[] = [];
    if (gone.length > 0) texts.push(JSON.stringify({ type: "gone", now, keys: gone } satisfies ServerMessage));
    if (changed.length > 0) texts.push(JSON.stringify({ type: "news", now, sources: changed } satisfies ServerMessage));
    const pictures = book.pictures();
    for (const browser of browsers) {
      for (const key of gone) browser.sent.delete(key);
      if (browser.socket.bufferedAmount > LIMITS.newsBacklog) browser.behind = true;
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

  const onMessage = (browser: Browser, data: RawData, isBinary: boolean) => {
    const message = isBinary ? null : parseClientMessage(data.toString());
    if (!message) return browser.socket.close(1008, "this is not a message of the live page");
    if (message.type === "watch") {
      browser.watched = message.keys && new Set(message.keys);
      for (const picture of book.pictures()) offer(browser, picture);
      return;
    }
    const last = browser.sent.get(message.key);
    if (last?.id === message.id) last.acknowledged = true;
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
      const browser: Browser = { socket, watched: null, sent: new Map(), alive: true, behind: false };
      browsers.add(browser);
      socket.on("message", (data, isBinary) => onMessage(browser, data, isBinary));
      socket.on("pong", () => {
        browser.alive = true;
      });
      socket.on("close", () => browsers.delete(browser));
      greet(browser);
      for (const picture of book.pictures()) offer(browser, picture);
    },
    /** A picture has come: whoever is ready for it gets it now. */
    offer(picture: Picture) {
      for (const browser of browsers) offer(browser, picture);
    },
    count: () => browsers.size,
    /** True while some browser looks at this source. */
    lookingAt(source: string): boolean {
      for (const { watched } of browsers) {
        if (watched === null) return true;
        for (const key of watched) if (key.slice(key.indexOf("/") + 1) === source) return true;
      }
      return false;
    },
    stop() {
      clearInterval(timer);
      clearInterval(pinger);
      for (const { socket } of browsers) socket.close(1001, "the worker has ended");
    },
    terminate() {
      for (const { socket } of browsers) socket.terminate();
    },
  };
}

export type Browsers = ReturnType<typeof createBrowsers>;
