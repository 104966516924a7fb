import { randomBytes } from "node:crypto";
import { BoundedSemaphore } from "../../../bounded-semaphore.js";
import type { ViewerSinkConfig } from "../../../config/schema.js";
import { VideoExplainerError } from "../../../errors.js";
import type { FrameOutcome, MessageKind } from "../../../messages/message.js";
import type { Summary } from "../../../messages/summary.js";
import { RateLimitedLog } from "../../../rate-limited-log.js";
import type { SinkLog, UpcomingFrame } from "../../sink.js";
import type { DecisionNews, DecisionRow } from "../protocol.js";
import { createChoice } from "./choice.js";
import { type Published, picturesOf } from "./pictures.js";
import { createStore, type Decision } from "./store.js";

/** A frame that is worth keeping, before its pictures are made smaller. */
interface Shot extends Pick<Decision, "at" | "placement"> {
  summary: Summary;
  published: Published;
}

/** Frames whose pictures are made smaller at a time, and that wait for it. */
const LIMITS = { atOnce: 1, waiting: 32 };

/** In memory of its own: a part of a larger piece would keep all of that. */
const owned = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);

const rowOf = ({ id, at, label, probability, why, truth }: Decision): DecisionRow => ({
  ...{ id, at, label, probability, why },
  ...(truth && { truth }),
});

/** The explained frames of late that are worth a second look, with their pictures, within bounds. */
export function createDecisions(config: ViewerSinkConfig["decisions"], log: Pick<SinkLog, "warn">) {
  const { everySeconds, count, sourceBytes, bytes } = config;
  const choice = createChoice(everySeconds * 1000);
  const rarely = new RateLimitedLog();
  const work = new BoundedSemaphore(LIMITS.atOnce, LIMITS.waiting);
  /** Different in every run: what a browser has kept of another is not taken for it, and who was not told it cannot guess it. */
  const run = randomBytes(16).toString("base64url");
  /** Of each source what is one as long as it is not forgotten. */
  const lives = new Map<string, object>();
  let news = new Map<string, { added: Map<string, DecisionRow>; removed: Set<string> }>();
  let made = 0;

  const newsOf = (key: string) => {
    const found = news.get(key) ?? { added: new Map<string, DecisionRow>(), removed: new Set<string>() };
    news.set(key, found);
    return found;
  };
  const store = createStore({ count, sourceBytes, bytes }, ({ id, key }) => {
    const { added, removed } = newsOf(key);
    // What nobody was told of need not be taken back.
    if (!added.delete(id)) removed.add(id);
  });

  const fault = (why: string) =>
    rarely.happened(why, (times) => log.warn(`a decision is missing on the live page: ${why}; ${times} so far`));

  const keep = async (key: string, shot: Shot): Promise<void> => {
    const life = lives.get(key) ?? {};
    lives.set(key, life);
    try {
      const made = await work.run(() => picturesOf(shot.published));
      if (lives.get(key) !== life) return;
      const pictures = Object.fromEntries(Object.entries(made).map(([name, picture]) => [name, owned(picture)]));
      add(key, shot, pictures);
    } catch (cause) {
      const isBusy = cause instanceof VideoExplainerError && cause.code === "busy";
      fault(isBusy ? "pictures come faster than they are made smaller" : "its picture cannot be read");
    }
  };

  const add = (key: string, { summary, placement, at }: Shot, pictures: Decision["pictures"]) => {
    const { label, probability } = summary.classification.target;
    const decision: Decision = {
      id: `${run}-${(++made).toString(36)}`,
      ...{ key, at, label, probability, placement, pictures },
      why: summary.why ?? [],
      ...(summary.truth && { truth: summary.truth }),
      summary: Buffer.from(JSON.stringify(summary)),
    };
    newsOf(key).added.set(decision.id, rowOf(decision));
    if (!store.add(decision)) newsOf(key).added.delete(decision.id);
  };

  return {
    store,
    /** Whether this frame will be kept, so that its pictures are worth drawing. */
    wants: (key: string, frame: UpcomingFrame): boolean => count > 0 && choice.judge({ key, ...frame }),
    /** A frame has come; resolves when it is kept, or will not be. */
    async take(key: string, outcome: FrameOutcome, at: number): Promise<void> {
      const { summary } = outcome;
      if (!summary || count === 0) return;
      const { sequence, relevance, classification, why } = summary;
      const { label } = classification.target;
      const frame = { key, sequence, label, explained: relevance !== null, why };
      const isKept = choice.judge(frame);
      choice.come(frame);
      if (!isKept) return;
      const of = (kind: MessageKind) => outcome.messages.find((message) => message.kind === kind)?.body;
      const published = { original: outcome.original, overlay: of("overlay"), heatmap: of("heatmap") };
      await keep(key, { summary, placement: outcome.placement ?? null, at, published });
    },
    /** Takes in one of an earlier run, with the time of its publishing; resolves when it is kept, or will not be. */
    async restore(key: string, summary: Summary, published: Published): Promise<void> {
      if (count > 0) await keep(key, { summary, placement: null, at: Date.parse(summary.publishedAt), published });
    },
    forget(key: string) {
      lives.delete(key);
      choice.forget(key);
      store.forget(key);
      news.delete(key);
    },
    /** What came and went since the last call. */
    news(): DecisionNews[] {
      const told = [...news].map(([key, { added, removed }]) => ({
        key,
        added: [...added.values()],
        removed: [...removed],
      }));
      news = new Map();
      return told.filter(({ added, removed }) => added.length + removed.length > 0);
    },
    /** All that is kept, for a browser that has just come. */
    snapshot: (): DecisionNews[] => store.keys().map((key) => ({ key, added: store.of(key).map(rowOf), removed: [] })),
  };
}

export type Decisions = ReturnType<typeof createDecisions>;
