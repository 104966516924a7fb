import type { IncomingMessage, ServerResponse } from "node:http";
import { HEADERS } from "../../http/headers.js";
import { type Route, sendError } from "./routes.js";

const MAX_READERS = 32;

export const FILM_TIMES = {
  /** The last picture goes out once more when no other comes: browsers show one when the next begins. */
  againMs: 400,
  /** And again and again, or the connection would be taken for dead. */
  repeatMs: 3_000,
  beatMs: 200,
  /** So long for the first picture to come; less than a connection may be idle. */
  firstMs: 5_000,
};

const BOUNDARY = "picture";
const TYPE = `multipart/x-mixed-replace; boundary=${BOUNDARY}`;
const NAME = /^\/(?:([^/]+)\/)?([^/]+)\.mjpg$/;

interface Reader {
  key: string;
  response: ServerResponse;
  /** The head of the answer waits for the first picture. */
  isBegun: boolean;
  isBusy: boolean;
  next: Uint8Array | null;
  /** What it was given last, it was given more than once. */
  isRepeated: boolean;
  /** When it came, or was given a picture last. */
  at: number;
}

/** The parts of the page's book that films need. */
export interface KnownSources {
  /** Keys of the sources of that name, of one station or of any. */
  find(source: string, station?: string): string[];
  has(key: string): boolean;
  /** When a frame came last; undefined before the first. */
  lastFrameAt(key: string): number | undefined;
}

/**
 * Overlays of a source as Motion JPEG, at `/{source}.mjpg`: no name of a source ends as a file of the page does. A reader
 * has one picture under way and gets the newest when it has taken that; what came between is skipped.
 */
export function createFilm(known: KnownSources, onPicture: () => void, times = FILM_TIMES) {
  const now = () => performance.now();
  const readers = new Set<Reader>();
  const newest = new Map<string, Uint8Array>();
  let timer: NodeJS.Timeout | undefined;

  const send = (reader: Reader, jpeg: Uint8Array, isRepeated = false) => {
    const { response } = reader;
    if (!reader.isBegun) {
      response.writeHead(200);
      response.write(`--${BOUNDARY}\r\n`);
    }
    Object.assign(reader, { isBegun: true, isBusy: true, next: null, isRepeated, at: now() });
    response.cork();
    response.write(`Content-Type: image/jpeg\r\nContent-Length: ${jpeg.byteLength}\r\n\r\n`);
    response.write(jpeg);
    // The next boundary ends the picture, for readers that look for it.
    response.write(`\r\n--${BOUNDARY}\r\n`, (error) => {
      reader.isBusy = false;
      if (!error && reader.next && readers.has(reader)) send(reader, reader.next);
    });
    response.uncork();
    onPicture();
  };

  const offer = (reader: Reader, jpeg: Uint8Array) => {
    if (reader.isBusy) reader.next = jpeg;
    else send(reader, jpeg);
  };

  /** Ends a film, or says why there is none. */
  const end = (reader: Reader, status: number, why: string) => {
    readers.delete(reader);
    if (reader.isBegun) reader.response.end();
    else sendError(reader.response, status, why, { "Retry-After": "5" });
  };

  const beat = () => {
    const time = now();
    for (const key of newest.keys()) if (!known.has(key)) newest.delete(key);
    for (const reader of readers) {
      const { key, isBegun, isBusy, isRepeated, at } = reader;
      const patience = isRepeated ? times.repeatMs : times.againMs;
      const name = key.slice(key.indexOf("/") + 1);
      const last = newest.get(key);
      if (!known.has(key)) end(reader, 404, `source ${name} was removed`);
      else if (isBegun && !isBusy && last && time - at > patience) send(reader, last, true);
      else if (!isBegun && time - at > times.firstMs) {
        const frameAt = known.lastFrameAt(key);
        const seconds = times.firstMs / 1000;
        const comes = frameAt !== undefined && Date.now() - frameAt < times.firstMs;
        const why = comes
          ? `frames of source ${name} come without an overlay: they are only classified, or overlays are not published`
          : `source ${name} has given no frame for ${seconds} s`;
        end(reader, 503, why);
      }
    }
  };

  const open = (key: string, request: IncomingMessage, response: ServerResponse, isShared: boolean) => {
    // Whole, as cameras send it: some players know no chunks.
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    response.setHeader("Content-Type", TYPE);
    response.setHeader("Cache-Control", "no-store");
    // A page of another site may show it by an address with the token, which it cannot know otherwise.
    if (isShared) response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
    if (request.method === "HEAD") {
      response.writeHead(200);
      response.end();
      return;
    }
    const reader: Reader = {
      ...{ key, response, at: now() },
      ...{ isBegun: false, isBusy: false, isRepeated: false, next: null },
    };
    readers.add(reader);
    response.on("close", () => readers.delete(reader));
    response.on("error", () => response.destroy());
    const last = newest.get(key);
    if (last) send(reader, last);
  };

  /** Answers requests for films. */
  const serve: Route = (path, { access, foreign }, request, response) => {
    const [, station, source] = NAME.exec(path) ?? [];
    if (source === undefined) return false;
    const [key, ...others] = known.find(source, station);
    if (foreign !== null) sendError(response, 421, foreign);
    // Behind an answer that is not at its end, which a film never is, it would wait and keep its place, gone or not.
    else if (response.socket === null) sendError(response, 400, "a film needs a connection of its own");
    else if (key === undefined) sendError(response, 404, "there is no source of that name");
    else if (others.length > 0) {
      const one = `/${key}.mjpg`;
      sendError(response, 404, `several stations have a source of that name: put the station before it, as in ${one}`);
    } else if (readers.size >= MAX_READERS && request.method !== "HEAD") {
      const why = `${MAX_READERS} readers of films are connected already, which is the limit`;
      sendError(response, 503, why, { "Retry-After": "5" });
    } else open(key, request, response, access.kind === "cookie");
    return true;
  };

  return {
    serve,
    start() {
      timer ??= setInterval(beat, times.beatMs);
    },
    /** An overlay has come. */
    add(key: string, jpeg: Uint8Array) {
      newest.set(key, jpeg);
      for (const reader of readers) if (reader.key === key) offer(reader, jpeg);
    },
    /** The source is gone for good. */
    forget(key: string) {
      newest.delete(key);
      for (const reader of readers) if (reader.key === key) end(reader, 404, "the source was removed");
    },
    /** True while somebody reads the film of this source. */
    isRead(key: string): boolean {
      for (const reader of readers) if (reader.key === key) return true;
      return false;
    },
    count: () => readers.size,
    stop() {
      clearInterval(timer);
      timer = undefined;
      for (const reader of readers) end(reader, 503, "the worker has ended");
    },
  };
}
