import fc from "fast-check";
import { expect, it } from "vitest";
import { InputError } from "../../src/errors.js";
import {
  epochId,
  headersFor,
  makeMessage,
  messageId,
  SUBJECT_TOKEN,
  stationSubjects,
  subjectFor,
} from "../../src/messages/headers.js";
import type { MessageKind } from "../../src/messages/message.js";
import { covers } from "../../src/sinks/nats/stream.js";

const KINDS: MessageKind[] = ["summary", "overlay", "heatmap", "status"];
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/);
const kind = fc.constantFrom(...KINDS);

it("a subject has four tokens that give back what it was made of", () => {
  fc.assert(
    fc.property(name, name, name, kind, (prefix, station, source, k) => {
      expect(subjectFor(prefix, station, source, k).split(".")).toEqual([prefix, station, source, k]);
      expect(covers(stationSubjects(prefix, station), subjectFor(prefix, station, source, k))).toBe(true);
    }),
  );
});

it("a name that is no NATS token is refused, never rewritten", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 80 }), kind, (text, k) => {
      fc.pre(!SUBJECT_TOKEN.test(text));
      for (const make of [
        () => subjectFor(text, "s", "c", k),
        () => subjectFor("p", text, "c", k),
        () => subjectFor("p", "s", text, k),
      ]) {
        expect(make).toThrow(InputError);
      }
    }),
  );
});

it("a name ending in a line break is no NATS token", () => {
  expect(() => subjectFor("explain", "line-3", "cam-1\n", "summary")).toThrow(/source "cam-1\\n" cannot be part/);
});

it("ids of one station differ whenever source, epoch, sequence or kind differ", () => {
  const identity = fc.record({
    source: fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,8}$/),
    epoch: fc.nat(),
    sequence: fc.nat(),
    kind,
  });
  fc.assert(
    fc.property(identity, identity, (a, b) => {
      const same = a.source === b.source && a.epoch === b.epoch && a.sequence === b.sequence && a.kind === b.kind;
      expect(messageId({ station: "s", ...a }) === messageId({ station: "s", ...b })).toBe(same);
    }),
  );
  expect(messageId({ station: "line-3", source: "cam-1", epoch: 1, sequence: 42, kind: "summary" })).toBe(
    "line-3-cam-1-1-42-summary",
  );
});

it("a restarted program does not repeat the epochs of its last run", () => {
  const firstRun = [0, 1, 2].map((epoch) => epochId(1_760_000_000_000, epoch));
  const secondRun = [0, 1, 2].map((epoch) => epochId(1_760_000_005_000, epoch));
  expect(new Set([...firstRun, ...secondRun]).size).toBe(6);
});

it("headers of a message cannot be replaced by its own extra ones", () => {
  const made = makeMessage({
    kind: "overlay",
    station: "line-3",
    source: "cam-1",
    epoch: 5,
    sequence: 9,
    time: "2026-01-02T03:04:05.678Z",
    body: new Uint8Array(1),
    whenFull: "drop",
    headers: { "Relevance-Scale": "0.5", "Nats-Msg-Id": "mine", Schema: "mine" },
  });
  expect(headersFor(made)).toEqual({
    "Nats-Msg-Id": "line-3-cam-1-5-9-overlay",
    "Content-Type": "image/jpeg",
    "Frame-Sequence": "9",
    "Frame-Time": "2026-01-02T03:04:05.678Z",
    Schema: "explanation-overlay/1",
    "Relevance-Scale": "0.5",
  });
});

it.each([
  ["explain.>", "explain.line-3.>", true],
  ["explain.*.>", "explain.line-3.>", true],
  [">", "explain.line-3.>", true],
  ["explain.line-3.>", "explain.line-3.>", true],
  ["explain.line-3.*", "explain.line-3.>", false],
  ["explain.line-4.>", "explain.line-3.>", false],
  ["explain.line-3", "explain.line-3.>", false],
  ["explain.line-3.cam.>", "explain.line-3.>", false],
])("stream subject %s takes in %s: %s", (wide, narrow, expected) => {
  expect(covers(wide, narrow)).toBe(expected);
});
