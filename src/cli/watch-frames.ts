import type { FrameOutcome, MessageKind, OutMessage } from "../messages/message.js";
import type { Summary } from "../messages/summary.js";

/** How long a summary waits for the pictures of its frame. */
const PATIENCE_MS = 400;

interface Draft {
  frame: string;
  summary?: Summary;
  messages: OutMessage[];
  emitted: boolean;
  timer?: NodeJS.Timeout;
}

interface Source {
  draft?: Draft;
  /** Kinds that frames of this source came with lately. */
  usual: Set<MessageKind>;
}

/**
 * Puts the messages of a frame together again, as sinks take them: they come one by one, in no promised order, some
 * kinds never. A frame is complete when it has what the frames before it had, or when the next one begins.
 */
export function createFrameAssembler(emit: (outcome: FrameOutcome) => void) {
  const sources = new Map<string, Source>();

  const finish = (source: Source, draft: Draft) => {
    clearTimeout(draft.timer);
    if (draft.emitted || !draft.summary) return;
    draft.emitted = true;
    source.usual = new Set(draft.messages.map((message) => message.kind));
    emit({ source: draft.summary.source, summary: draft.summary, messages: draft.messages });
  };

  return {
    /** `frame` names the frame within its source; `summary` is given with a message of that kind. */
    add(frame: string, message: OutMessage, summary?: Summary) {
      const key = `${message.station}/${message.source}`;
      const source = sources.get(key) ?? { usual: new Set<MessageKind>(["summary"]) };
      sources.set(key, source);
      if (source.draft && source.draft.frame !== frame) finish(source, source.draft);
      if (source.draft?.frame !== frame) source.draft = { frame, messages: [], emitted: false };
      const { draft } = source;
      if (draft.emitted) {
        // Too late for this frame; the next one waits for its like.
        source.usual.add(message.kind);
        return;
      }
      draft.messages.push(message);
      if (summary) draft.summary = summary;
      const has = (kind: MessageKind) => draft.messages.some((m) => m.kind === kind);
      if ([...source.usual].every(has)) finish(source, draft);
      else draft.timer ??= setTimeout(() => finish(source, draft), PATIENCE_MS);
    },
    close() {
      for (const { draft } of sources.values()) clearTimeout(draft?.timer);
    },
  };
}
