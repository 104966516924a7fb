import { once } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, expect, it } from "vitest";
import { ModelError } from "../../../src/errors.js";
import type { ExplainInput, Explanation } from "../../../src/explain/explanation.js";
import { answerRequests } from "../../../src/explain/runtime/answer-requests.js";
import type { ThreadMessage, ThreadRequest } from "../../../src/explain/runtime/thread-messages.js";

const open: MessagePort[] = [];
afterEach(() => {
  for (const port of open.splice(0)) port.close();
});

const input = (scale: number): ExplainInput => ({
  memory: new SharedArrayBuffer(3),
  offset: 0,
  stride: 3,
  classifyOnly: false,
  scale,
});
const explanation = (scale: number, heatmap = new Uint8Array(4)): Explanation => ({
  top: [],
  target: { index: 0, label: "", probability: 1, logit: scale },
  relevance: { heatmap, scale } as Explanation["relevance"],
});

/** The other end, with what it has received. */
function channel(explain: (batch: readonly ExplainInput[]) => Promise<Explanation[]>, close = async () => {}) {
  const { port1, port2 } = new MessageChannel();
  open.push(port1, port2);
  answerRequests(port2, explain, close);
  const received: ThreadMessage[] = [];
  port1.on("message", (message: ThreadMessage) => received.push(message));
  return {
    received,
    ask: (request: ThreadRequest) => port1.postMessage(request),
    gone: once(port1, "close"),
    async until(count: number) {
      while (received.length < count) await once(port1, "message");
    },
  };
}

it("answers one batch after the other, in the order they were asked", async () => {
  const running: number[] = [];
  const { ask, received, until } = channel(async ([first]) => {
    running.push(first!.scale);
    // The first takes longest.
    for (let k = first!.scale === 1 ? 50 : 1; k > 0; k--) await new Promise(setImmediate);
    expect(running.at(-1)).toBe(first!.scale);
    return [explanation(first!.scale)];
  });
  for (const id of [1, 2, 3]) ask({ kind: "batch", id, batch: [input(id)] });
  await until(3);
  expect(received).toMatchObject(
    [1, 2, 3].map((id) => ({ kind: "result", id, explanations: [{ target: { logit: id } }] })),
  );
});

it("hands heatmaps over instead of copying them", async () => {
  const heatmap = new Uint8Array(4).fill(9);
  const { ask, received, until } = channel(async () => [
    explanation(1, heatmap),
    { ...explanation(2), relevance: null },
  ]);
  ask({ kind: "batch", id: 1, batch: [input(1), input(2)] });
  await until(1);
  expect(heatmap).toHaveLength(0);
  expect(received).toMatchObject([
    { explanations: [{ relevance: { heatmap: Uint8Array.of(9, 9, 9, 9) } }, { relevance: null }] },
  ]);
});

it("answers a batch that fails with its error, and the next one all the same", async () => {
  const { ask, received, until } = channel(async ([first]) => {
    if (first!.scale === 1) throw new ModelError("model-corrupt", "it is broken");
    return [explanation(2)];
  });
  ask({ kind: "batch", id: 1, batch: [input(1)] });
  ask({ kind: "batch", id: 2, batch: [input(2)] });
  await until(2);
  expect(received).toMatchObject([
    { kind: "failed", id: 1, error: { code: "model-corrupt", reason: "it is broken" } },
    { kind: "result", id: 2 },
  ]);
});

it("closes after what was asked before, and then its port", async () => {
  const steps: string[] = [];
  const { ask, gone } = channel(
    async () => {
      await new Promise(setImmediate);
      steps.push("explained");
      return [];
    },
    async () => {
      steps.push("closed");
    },
  );
  ask({ kind: "batch", id: 1, batch: [input(1)] });
  ask({ kind: "close" });
  await gone;
  expect(steps).toEqual(["explained", "closed"]);
});
