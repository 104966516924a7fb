import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { FrameOutcome, OutMessage } from "../../src/messages/message.js";
import { type SourceStatus, statusSchema } from "../../src/messages/summary.js";
import { Ledger, type SourceState, type VideoSource } from "../../src/pipeline/index.js";
import { SourceStateStore } from "../../src/pipeline/source-state.js";
import { StatusReporter } from "../../src/station/statuses.js";

const STARTED_AT = Date.UTC(2024, 0, 1);

beforeEach(() => {
  vi.useFakeTimers({ now: STARTED_AT });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A source's board and ledger, without a stream behind them. */
function source(name: string) {
  const board = new SourceStateStore(() => [`${name} said this`]);
  const ledger = new Ledger(name);
  const video = { name, ledger, status$: board.changes$, status: () => board.now() } as Partial<VideoSource>;
  return { board, ledger, video: video as VideoSource };
}

function reporter(publish: (message: OutMessage) => Promise<void> = async () => undefined) {
  const messages: OutMessage[] = [];
  const changes: string[] = [];
  const statuses = new StatusReporter({
    station: "line-1",
    runStartedAt: STARTED_AT,
    publish: async ({ messages: [message] }: FrameOutcome) => {
      messages.push(message!);
      await publish(message!);
    },
    onChange: ({ name }: VideoSource, { state }: SourceState) => void changes.push(`${name} ${state}`),
  });
  const published = (): SourceStatus[] =>
    messages.map((m) => statusSchema.parse(JSON.parse(Buffer.from(m.body).toString())));
  return { statuses, messages, changes, published };
}

it("publishes the state at once, then each change of state or reason, and nothing for what stays the same", () => {
  const { statuses, changes, published } = reporter();
  const belt = source("belt");
  statuses.watch(belt.video);
  belt.board.set("live", null);
  belt.board.set("live", null);
  belt.board.set("failed", "the camera is away");
  belt.board.set("failed", "the camera refuses the password");
  expect(published().map((s) => [s.state, s.reason])).toEqual([
    ["connecting", null],
    ["live", null],
    ["failed", "the camera is away"],
    ["failed", "the camera refuses the password"],
  ]);
  expect(changes).toEqual(["belt connecting", "belt live", "belt failed", "belt failed"]);
});

it("publishes every ten seconds without a change, with the ledger as it is then and the time since when", () => {
  const { statuses, published } = reporter();
  const belt = source("belt");
  statuses.watch(belt.video);
  belt.board.set("live", null);
  belt.board.lastFrameAt = STARTED_AT + 500;
  belt.board.restarts = 2;
  for (let i = 0; i < 5; i++) belt.ledger.captured();
  belt.ledger.explained();
  belt.ledger.classified();
  belt.ledger.dropped("stale");
  vi.advanceTimersByTime(9_999);
  expect(published()).toHaveLength(2);
  vi.advanceTimersByTime(1);
  expect(published()).toHaveLength(3);
  expect(published()[2]).toEqual({
    schema: "source-status/1",
    station: "line-1",
    source: "belt",
    time: "2024-01-01T00:00:10.000Z",
    state: "live",
    reason: null,
    since: "2024-01-01T00:00:00.000Z",
    restarts: 2,
    lastFrameAt: "2024-01-01T00:00:00.500Z",
    ledger: { captured: 5, explained: 1, classified: 1, dropped: { stale: 1 }, inFlight: 2 },
    ffmpeg: ["belt said this"],
  });
  vi.advanceTimersByTime(30_000);
  expect(published()).toHaveLength(6);
});

it("publishes the last ledger of every source when it is closed, waits for what is being written, then is silent", async () => {
  let letGo = () => {};
  const slow = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const { statuses, published } = reporter(() => slow);
  const [belt, camera] = [source("belt"), source("camera")];
  for (const { video } of [belt, camera]) statuses.watch(video);
  belt.ledger.captured();
  belt.ledger.explained();
  belt.board.set("ended", null);
  let closed = false;
  const closing = statuses.close().then(() => {
    closed = true;
  });
  expect(published().slice(-2)).toMatchObject([
    { source: "belt", state: "ended", ledger: { captured: 1, explained: 1, inFlight: 0 } },
    { source: "camera", state: "connecting" },
  ]);
  await Promise.resolve();
  expect(closed).toBe(false);
  letGo();
  await closing;
  const count = published().length;
  belt.board.set("live", null);
  vi.advanceTimersByTime(60_000);
  expect(published()).toHaveLength(count);
});

it("gives every status an id of its own, which a stream would otherwise take for a duplicate", async () => {
  const { statuses, messages } = reporter();
  for (const name of ["belt", "camera"]) statuses.watch(source(name).video);
  vi.advanceTimersByTime(100_000);
  await statuses.close();
  expect(messages).toHaveLength(24);
  expect(new Set(messages.map((m) => m.id)).size).toBe(24);
  for (const { id, kind, whenFull, source } of messages) {
    expect(id).toMatch(new RegExp(`^line-1-${source}-${STARTED_AT}-\\d+-status$`));
    expect([kind, whenFull]).toEqual(["status", "drop"]);
  }
});
