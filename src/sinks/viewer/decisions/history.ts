import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { backoff } from "../../../backoff.js";
import type { ViewerSinkConfig } from "../../../config/schema.js";
import { reasonOf, VideoExplainerError } from "../../../errors.js";
import type { Summary } from "../../../messages/summary.js";
import type { History, PastFrame } from "../../nats/history.js";
import type { SinkContext } from "../../sink.js";
import { createChoice } from "./choice.js";
import type { Published } from "./pictures.js";
import { createStore, type Decision } from "./store.js";

/** A server that is away is said of by the sink that publishes there. */
const RETRY = { delaysMs: [1_000, 2_000, 5_000, 10_000, 30_000], jitter: 0.25 };
const AWAY = new Set(["nats-connection", "nats-login"]);
/** So many summaries between two turns of all else. */
const A_TURN = 50;

export interface HistoryParts extends Pick<SinkContext, "station" | "baseDir" | "log"> {
  past: NonNullable<SinkContext["past"]>;
  history: NonNullable<ViewerSinkConfig["history"]>;
  decisions: ViewerSinkConfig["decisions"];
  /** Unix ms: of what began before, the past is. */
  before: number;
  restore(source: string, summary: Summary, published: Published): Promise<void>;
  signal: AbortSignal;
}

/**
 * Fills the strips from the stream of a nats sink, beside all else: which frames, as they would have been chosen when they came, and
 * of these the newest first. Never rejects: what cannot be read is told in one sentence.
 */
export async function fillFromHistory(parts: HistoryParts): Promise<void> {
  const { station, baseDir, log, past, history, before, signal } = parts;
  const { withHistory } = await import("../../nats/history.js");
  const options = { ...history, nats: past.nats, station, baseDir, before, signal };
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      let count = 0;
      await withHistory(options, async (read) => {
        const chosen = await choose(read, parts);
        for (const frame of chosen) {
          if (signal.aborted) return;
          await parts.restore(frame.source, frame.summary, await picturesOf(read, frame));
          count++;
        }
      });
      if (count > 0) log.info(`${count} decisions of earlier runs are on the live page`);
      return;
    } catch (error) {
      if (signal.aborted) return;
      const code = error instanceof VideoExplainerError ? error.code : undefined;
      if (code === "no-stream") return log.info(`the strips of decisions begin empty: ${reasonOf(error)}`);
      if (code === undefined || !AWAY.has(code)) {
        return log.warn(`the strips of decisions begin without those of earlier runs: ${reasonOf(error)}`);
      }
      await sleep(backoff(attempt, RETRY), undefined, { signal }).catch(() => undefined);
    }
  }
}

/** The frames that the strips would have kept, newest first. */
async function choose(read: History, { past, decisions }: HistoryParts): Promise<PastFrame[]> {
  const sources = new Set(past.sources);
  let time = 0;
  const choice = createChoice(decisions.everySeconds * 1000, () => time);
  const found = new Map<string, PastFrame>();
  const store = createStore({ ...decisions, sourceBytes: Infinity, bytes: Infinity }, ({ id }) => found.delete(id));
  let seen = 0;
  for await (const frame of read.frames()) {
    if (++seen % A_TURN === 0) await nextTurn();
    const { source, summary, sequence } = frame;
    if (!sources.has(source)) continue;
    time = Date.parse(summary.capturedAt);
    const { label, probability } = summary.classification.target;
    const judged = { key: source, sequence, label, explained: summary.relevance !== null, why: summary.why };
    const isKept = choice.judge(judged);
    choice.come(judged);
    if (!isKept || found.has(frame.frame)) continue;
    found.set(frame.frame, frame);
    const bare: Omit<Decision, "id" | "key"> = {
      ...{ at: Date.parse(summary.publishedAt), label, probability, why: [], placement: null },
      ...{ summary: new Uint8Array(), pictures: {} },
    };
    store.add({ id: frame.frame, key: source, ...bare });
  }
  return [...found.values()].sort((a, b) => b.sequence - a.sequence);
}

/** Where the heat lies on an original no message says: the overlay shows it. */
async function picturesOf(read: History, frame: PastFrame): Promise<Published> {
  const [overlay, heatmap] = [await read.picture(frame, "overlay"), await read.picture(frame, "heatmap")];
  return overlay ? { overlay, heatmap } : { original: await read.picture(frame, "original"), heatmap };
}
