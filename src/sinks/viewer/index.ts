import { configSchema, sinkName, type ViewerSinkConfig } from "../../config/schema.js";
import { isLoopback } from "../../http/hosts.js";
import type { MessageKind } from "../../messages/message.js";
import type { Sink, SinkContext } from "../sink.js";
import { loadAssets } from "./assets.js";
import { createBrowsers } from "./browsers.js";
import { fillFromHistory } from "./decisions/history.js";
import { createDecisions } from "./decisions/index.js";
import { serveDecisions } from "./decisions/serve.js";
import { createFilm } from "./film.js";
import { startViewerServer, type ViewerServer } from "./server.js";
import { createSourceBook, keyOf } from "./sources.js";
import { serveStatic } from "./static-handler.js";
import { pageStyle } from "./style.js";

/** The live page. `url` is known once `connect` has resolved. */
export interface ViewerSink extends Sink {
  readonly url: string | undefined;
}

const KINDS: ReadonlySet<MessageKind> = new Set<MessageKind>(["summary", "overlay", "heatmap", "status"]);
/** So long for browsers to part at the end. */
const PARTING_MS = 500;
const PAGE = new URL("./page/", import.meta.url);

/**
 * Serves one page that shows every source live, each source's decisions of late and its overlays as a film. `write` only
 * notes what is newest: a slow browser gets fewer pictures and holds nothing up. `connect` rejects with a sentence when the address cannot be listened on.
 */
export function createViewerSink(config: ViewerSinkConfig, context: SinkContext): ViewerSink {
  const { events, log } = context;
  const book = createSourceBook(context.station);
  let published = 0;
  let errors = 0;
  const counted = (kind: MessageKind) => () => {
    published++;
    events.onPublished(kind);
  };
  const decisions = createDecisions(config.decisions, log);
  const keyOfOwn = (source: string): string => keyOf(context.station, source);
  const browsers = createBrowsers(book, decisions, pageStyle(configSchema.shape.overlay.parse({})), counted("heatmap"));
  const film = createFilm(book, counted("overlay"));
  let server: ViewerServer | undefined;
  let ended = false;
  const madeAt = Date.now();
  const stopping = new AbortController();
  let filling: Promise<void> | undefined;
  /** Sources that were removed: what was read of them is not shown any more. */
  const removed = new Set<string>();
  const fill = (): void => {
    const { past, station, baseDir } = context;
    if (!past || !config.history) return;
    filling ??= fillFromHistory({
      ...{ past, station, baseDir, log, history: config.history, decisions: config.decisions },
      ...{ before: madeAt, signal: stopping.signal },
      restore: async (source, summary, published) => {
        if (!removed.has(source)) await decisions.restore(keyOfOwn(source), summary, published);
      },
    });
  };

  return {
    name: sinkName(config),
    kinds: KINDS,
    get url() {
      return server?.url;
    },
    restyle: (style) => browsers.restyle(pageStyle(style)),
    forget(source) {
      if (context.past?.sources.includes(source)) removed.add(source);
      book.forget(source);
      film.forget(keyOfOwn(source));
      decisions.forget(keyOfOwn(source));
    },
    wantsOverlay: (source, frame) => decisions.wants(keyOfOwn(source), frame) || film.isRead(keyOfOwn(source)),
    wantsOriginal: (source, frame) => decisions.wants(keyOfOwn(source), frame) || browsers.lookingAt(source),

    async connect() {
      if (server) return;
      ended = false;
      const assets = await loadAssets(PAGE);
      const { host, port, token, hosts } = config;
      const started = await startViewerServer({
        host,
        port,
        token,
        hosts,
        routes: [
          serveStatic(assets),
          film.serve,
          serveDecisions(decisions.store, (source, station) => book.find(source, station).length > 0),
        ],
        count: browsers.count,
        onBrowser: browsers.add,
      });
      if (ended) return started.close(0);
      server = started;
      if (!isLoopback(host) && token === undefined) {
        log.warn(`the live page listens on ${host} for everybody who reaches it; set token, or host to 127.0.0.1`);
      }
      browsers.start();
      film.start();
      fill();
      events.onConnected(true);
      log.info(`live page at ${server.url}`, { url: server.url });
    },

    async write(outcome) {
      try {
        const added = book.add(outcome);
        if (!added) return;
        if (added.picture) browsers.offer(added.picture);
        const overlay = outcome.messages.find(({ kind }) => kind === "overlay");
        if (overlay) film.add(added.key, overlay.body);
        void decisions.take(added.key, outcome, Date.now());
      } catch (cause) {
        errors++;
        const why = cause instanceof Error ? cause.message : String(cause);
        events.onError(new Error(`the live page cannot show a message of ${outcome.source}: ${why}`, { cause }));
      }
    },

    verify: async () => true,
    status: () => ({ connected: server !== undefined, buffered: 0, published, errors, dropped: 0 }),

    async close(deadlineMs) {
      ended = true;
      stopping.abort();
      await filling;
      if (!server) return;
      const closing = server;
      server = undefined;
      browsers.stop();
      film.stop();
      await closing.close(Math.min(deadlineMs / 2, PARTING_MS));
    },
  };
}
