import type { FrameOutcome } from "../../messages/message.js";
import type { Summary } from "../../messages/summary.js";
import { encodePicture, type Pictures, type Row, type SourceNews, type SourceSnapshot } from "./protocol.js";
import { createTombstones } from "./tombstones.js";

const LIMITS = {
  /** The history that a browser gets when it connects. */
  historyMs: 60_000,
  historyStepMs: 200,
  /** Rows kept for the next news, should nothing fetch them. */
  pendingRows: 2_000,
  /** A classified-only picture of the same class does not push out an explained one as young as this. */
  explainedHoldsMs: 1_000,
  /** Frames that are further apart than this show another thing each. */
  slowMs: 250,
  /** A source without news for so long is forgotten. */
  forgetMs: 10 * 60_000,
};

/** The newest picture of a source, encoded once for all browsers when the first one wants it. */
export interface Picture {
  readonly key: string;
  readonly id: number;
  readonly arrivedAt: number;
  /** The frame's original is missing although it could be had: nobody was looking when it was made. */
  readonly partial: boolean;
  readonly explained: boolean;
  readonly label: string;
  message(): Buffer;
}

interface Known {
  station: string;
  source: string;
  pending: Row[];
  fresh: Omit<SourceNews, "rows">;
  history: Row[];
  latest: Omit<SourceNews, "rows">;
  picture: Picture | null;
  heardAt: number;
  frameAt?: number;
}

export const keyOf = (station: string, source: string): string => `${station}/${source}`;

/** All that the page shows, by source. */
export function createSourceBook(station: string, now: () => number = () => Date.now()) {
  const known = new Map<string, Known>();
  /** Removed for good; the browsers do not know it yet. */
  let removed: string[] = [];
  const tombstones = createTombstones();
  let pictures = 0;

  const entry = (stationName: string, source: string): Known => {
    const key = keyOf(stationName, source);
    let found = known.get(key);
    if (!found) {
      found = {
        station: stationName,
        source,
        pending: [],
        fresh: {},
        history: [],
        latest: {},
        picture: null,
        heardAt: now(),
      };
      known.set(key, found);
    }
    found.heardAt = now();
    return found;
  };

  const tell = (to: Known, news: Omit<SourceNews, "rows">) => {
    Object.assign(to.fresh, news);
    Object.assign(to.latest, news);
  };

  const addRow = (to: Known, row: Row) => {
    to.pending.push(row);
    if (to.pending.length > LIMITS.pendingRows) to.pending.shift();
    const last = to.history.at(-1);
    if (last && row[0] - last[0] < LIMITS.historyStepMs && row[1] === last[1]) {
      // Of frames that are explained now and then, the explained ones are kept.
      if (last[3] === null && row[3] !== null) to.history[to.history.length - 1] = row;
      return;
    }
    to.history.push(row);
    while (to.history.length > 0 && row[0] - to.history[0]![0] > LIMITS.historyMs) to.history.shift();
    if (to.history.length > LIMITS.pendingRows) to.history.shift();
  };

  /** `sinceMs`: from the frame before to this one. */
  const addPicture = (
    to: Known,
    { key, sinceMs }: { key: string; sinceMs: number },
    outcome: FrameOutcome,
    summary: Summary,
  ): Picture | null => {
    const of = (kind: string) => outcome.messages.find((m) => m.kind === kind)?.body;
    const have: Pictures = { original: outcome.original, heatmap: of("heatmap") };
    // With the original at hand the page draws the heat itself, for each browser as it likes.
    if (!have.original) have.overlay = of("overlay");
    if (!have.original && !have.heatmap && !have.overlay) return null;
    const at = now();
    const held = to.picture;
    const { label } = summary.classification.target;
    const isSame = held?.label === label && sinceMs < LIMITS.slowMs;
    if (!have.heatmap && held?.explained && isSame && at - held.arrivedAt < LIMITS.explainedHoldsMs) return null;
    const id = ++pictures;
    let encoded: Buffer | null = null;
    const { placement = null } = outcome;
    const { sequence, frame } = summary;
    to.picture = {
      key,
      id,
      arrivedAt: at,
      partial: placement !== null && !have.original,
      explained: have.heatmap !== undefined,
      label,
      message: () => {
        encoded ??= encodePicture({ key, id, sequence, frame, placement }, have);
        return encoded;
      },
    };
    return to.picture;
  };

  return {
    /**
     * Takes in one frame or status: of a frame its source's key, and the picture that came with it, if any; null of a
     * status, and of what comes late of a source that was removed.
     */
    add(outcome: FrameOutcome): { key: string; picture: Picture | null } | null {
      const { summary, status } = outcome;
      const message = status && outcome.messages.find(({ kind }) => kind === "status");
      if (message && !tombstones.isLate(keyOf(message.station, message.source), message))
        tell(entry(message.station, message.source), { status });
      if (!summary) return null;
      const stationName = summary.station ?? station;
      const key = keyOf(stationName, outcome.source);
      if (outcome.messages.some((message) => tombstones.isLate(key, message))) return null;
      const to = entry(stationName, outcome.source);
      const { relevance, classification, timing, sequence, frame, model, capturedAt } = summary;
      const before = to.latest.summary?.capturedAt;
      const sinceMs = before === undefined ? 0 : Date.parse(capturedAt) - Date.parse(before);
      addRow(to, [
        now(),
        classification.target.label,
        classification.target.probability,
        relevance?.concentration ?? null,
        relevance?.positive ?? null,
        relevance?.negative ?? null,
        timing.totalMs,
      ]);
      const scale = relevance?.scale ?? to.latest.summary?.scale ?? null;
      const warnings = (relevance ? summary.warnings : to.latest.summary?.warnings) ?? [];
      const { truth } = summary;
      const lastInside = truth?.insideMask === undefined ? to.latest.summary?.lastInside : truth;
      const checked = { ...(truth && { truth }), ...(lastInside && { lastInside }) };
      tell(to, { summary: { sequence, frame, model, classification, capturedAt, scale, warnings, ...checked } });
      to.frameAt = now();
      return { key, picture: addPicture(to, { key, sinceMs }, outcome, summary) };
    },

    /** The source was removed for good: what comes of it late does not bring it back. */
    forget(source: string): void {
      const key = keyOf(station, source);
      tombstones.add(key, now());
      if (known.delete(key)) removed.push(key);
    },

    /** What came since the last call, and what was forgotten. */
    news(): { changed: (SourceNews & { key: string })[]; gone: string[] } {
      const changed: (SourceNews & { key: string })[] = [];
      const gone = removed;
      removed = [];
      for (const [key, source] of known) {
        if (now() - source.heardAt > LIMITS.forgetMs) {
          known.delete(key);
          gone.push(key);
        } else if (source.pending.length > 0 || source.fresh.status) {
          changed.push({ key, rows: source.pending, ...source.fresh });
          source.pending = [];
          source.fresh = {};
        }
      }
      return { changed, gone };
    },

    /** Everything, for a browser that has just come. */
    snapshot(): SourceSnapshot[] {
      const oldest = now() - LIMITS.historyMs;
      return [...known].map(([key, { station, source, history, latest }]) => ({
        key,
        station,
        source,
        rows: history.filter((row) => row[0] >= oldest),
        ...latest,
      }));
    },

    pictures: (): Picture[] => [...known.values()].flatMap((source) => source.picture ?? []),
    picture: (key: string): Picture | null => known.get(key)?.picture ?? null,

    has: (key: string): boolean => known.has(key),
    lastFrameAt: (key: string): number | undefined => known.get(key)?.frameAt,
    /** Keys of the sources of that name, of one station or of any. */
    find: (source: string, stationName?: string): string[] =>
      [...known].flatMap(([key, of]) =>
        of.source === source && (stationName === undefined || of.station === stationName) ? [key] : [],
      ),
  };
}

export type SourceBook = ReturnType<typeof createSourceBook>;
