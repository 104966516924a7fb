import { request } from "node:http";
import fc from "fast-check";
import sharp from "sharp";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { viewerSinkSchema } from "../../src/config/schema.js";
import type { Summary } from "../../src/messages/summary.js";
import type { UpcomingFrame } from "../../src/sinks/sink.js";
import { createChoice } from "../../src/sinks/viewer/decisions/choice.js";
import { bytesOf, createStore, type Decision } from "../../src/sinks/viewer/decisions/store.js";
import { createViewerSink, type ViewerSink } from "../../src/sinks/viewer/index.js";
import { recordingContext, until } from "../support/sinks.js";
import { connectClient } from "./viewer-client.js";
import { frame, PLACEMENT, type Shot, shots, summary, UPCOMING } from "./viewer-stream.js";

const ends: (() => void)[] = [];
const sinks: ViewerSink[] = [];
let film: Shot[];

beforeAll(async () => {
  film = await shots(4);
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await Promise.all(sinks.splice(0).map((sink) => sink.close(500)));
});

interface Listed {
  id: string;
  station: string;
  source: string;
  at: string;
  label: string;
  probability: number;
  why: string[];
  details: string;
  pictures: Record<string, string>;
}

async function start(decisions: object = {}, more: { token?: string } = {}) {
  const { context, recorded } = recordingContext();
  const sink = createViewerSink(viewerSinkSchema.parse({ kind: "viewer", port: 0, decisions, ...more }), context);
  await sink.connect();
  sinks.push(sink);
  const ask = (path: string, method = "GET", headers: Record<string, string> = {}) =>
    new Promise<{ code: number; headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
      const asked = request(new URL(path, sink.url), { method, headers }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part) => parts.push(part));
        response.on("end", () =>
          resolve({ code: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }),
        );
      });
      asked.on("error", reject);
      asked.end();
    });
  const list = async (query = ""): Promise<Listed[]> => {
    const { body } = await ask(`/decisions.json${query}`);
    return (JSON.parse(`${body}`) as { decisions: Listed[] }).decisions;
  };
  return { sink, ask, list, recorded };
}

let sequence = 0;
/** A frame of that class. */
function decided(source: string, label: string, more: Partial<Summary> = {}): Summary {
  const target = { index: 0, label, probability: 0.9 };
  return summary(source, ++sequence, { classification: { top: [target], target: { ...target, logit: 4 } }, ...more });
}
const send = (sink: ViewerSink, of: Summary, more: object = {}) =>
  sink.write(frame(of, { ...film[0]!, placement: PLACEMENT, ...more }));

/** A decision as large as it says; `at` counts them. */
const made = (at: number, label: string, bytes: number, key = "line-3/belt"): Decision => ({
  ...{ id: `${key}-${at}`, key, at, label, probability: 0.9, why: [], placement: null },
  summary: new Uint8Array(0),
  pictures: { "original.jpg": new Uint8Array(bytes) },
});

describe("what is kept", () => {
  const frames = (labels: string[], stepMs: number, everyMs = 5_000) => {
    let time = 0;
    const choice = createChoice(everyMs, () => time);
    return labels.map((label, i) => {
      time = i * stepMs;
      return choice.judge({ key: "a", sequence: i, label, explained: true });
    });
  };

  it("is each change of the class, and one of five seconds of what stays the same", () => {
    const labels = Array.from({ length: 300 }, (_, i) => (i === 120 || i === 121 ? "reject" : "pass"));
    const kept = frames(labels, 50).flatMap((is, i) => (is ? [i] : []));
    // At the start, after 5 s, the first reject, the return, and 5 s after that.
    expect(kept).toEqual([0, 100, 120, 122, 222]);
  });

  it("is no more than eight changes at once and one a second for long, when the class flickers", () => {
    const labels = Array.from({ length: 1_000 }, (_, i) => (i % 2 ? "a" : "b"));
    const kept = frames(labels, 50, 3_600_000).filter(Boolean).length;
    expect(kept).toBeGreaterThanOrEqual(8 + 49);
    expect(kept).toBeLessThanOrEqual(8 + 50);
  });

  it("is never a frame that was only classified, and always one that was chosen for what it is, not for its turn", () => {
    const choice = createChoice(5_000, () => 0);
    const same = { key: "a", label: "pass", explained: true };
    expect(choice.judge({ ...same, sequence: 0, explained: false })).toBe(false);
    expect(choice.judge({ ...same, sequence: 1 })).toBe(true);
    expect(choice.judge({ ...same, sequence: 2 })).toBe(false);
    expect(choice.judge({ ...same, sequence: 3, why: ["below"] })).toBe(true);
    expect(choice.judge({ ...same, sequence: 4, why: ["everySeconds", "every"] })).toBe(false);
  });

  it("is judged once: before a frame's pictures are drawn, and the same when it comes", () => {
    const choice = createChoice(5_000, () => 0);
    const of = (sequence: number, label: string) => ({ key: "a", sequence, label, explained: true });
    // Both are drawn before the first comes.
    expect([choice.judge(of(1, "pass")), choice.judge(of(2, "reject")), choice.judge(of(3, "reject"))]).toEqual([
      true,
      true,
      false,
    ]);
    // And come in another order.
    expect([choice.judge(of(3, "reject")), choice.judge(of(2, "reject")), choice.judge(of(1, "pass"))]).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe("where there is no room", () => {
  it("the class that holds most gives its oldest: a thousand passes push out no reject", () => {
    const store = createStore({ count: 10, sourceBytes: 1e6, bytes: 1e6 });
    for (const at of [0, 1, 2]) store.add(made(at, "reject", 100));
    for (let at = 3; at < 1_003; at++) store.add(made(at, "pass", 100));
    expect(store.of("line-3/belt").map(({ label, at }) => `${label} ${at}`)).toEqual([
      ...["reject 0", "reject 1", "reject 2"],
      ...Array.from({ length: 7 }, (_, i) => `pass ${996 + i}`),
    ]);
    // And rejects push out passes only down to their number.
    for (let at = 1_003; at < 1_103; at++) store.add(made(at, "reject", 100));
    expect(store.of("line-3/belt").filter(({ label }) => label === "pass")).toHaveLength(5);
  });

  it("the source with the most bytes gives, and another keeps what it has", () => {
    const store = createStore({ count: 100, sourceBytes: 5_000, bytes: 6_000 });
    store.add(made(0, "pass", 1_000, "line-3/quiet"));
    for (let at = 1; at < 50; at++) store.add(made(at, "pass", 500));
    expect(store.of("line-3/quiet")).toHaveLength(1);
    expect(store.of("line-3/belt")).toHaveLength(10);
    expect(store.add(made(50, "pass", 5_001))).toBe(false);
  });

  it("bytes and counts stay within their bounds and are what is held, whatever comes", () => {
    const one = fc.record({
      key: fc.constantFrom("s/a", "s/b", "s/c"),
      label: fc.constantFrom("pass", "reject", "other"),
      bytes: fc.integer({ min: 0, max: 900 }),
      at: fc.integer({ min: 0, max: 50 }),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 80 }), (all) => {
        const removed = new Set<string>();
        const store = createStore({ count: 6, sourceBytes: 1_500, bytes: 3_000 }, ({ id }) => removed.add(id));
        for (const [i, { key, label, bytes, at }] of all.entries()) {
          const decision = { ...made(at, label, bytes, key), id: `${i}` };
          expect(store.add(decision)).toBe(!removed.has(decision.id));
          const held = store.keys().map((k) => store.of(k));
          expect(store.bytes).toBe(held.flat().reduce((sum, d) => sum + bytesOf(d), 0));
          expect(store.bytes).toBeLessThanOrEqual(3_000);
          for (const shelf of held) {
            expect(shelf.length).toBeLessThanOrEqual(6);
            expect(shelf.reduce((sum, d) => sum + bytesOf(d), 0)).toBeLessThanOrEqual(1_500);
            expect(shelf.map((d) => d.at)).toEqual(shelf.map((d) => d.at).sort((a, b) => a - b));
          }
        }
        for (const key of store.keys()) store.forget(key);
        expect([store.bytes, store.count]).toEqual([0, 0]);
      }),
    );
  });

  it("thousands of frames of 16 sources hold no more than the bound", () => {
    const bounds = { count: 48, sourceBytes: 16 * 1024 ** 2, bytes: 64 * 1024 ** 2 };
    const store = createStore(bounds);
    const bytes = 150_000;
    // One piece of memory for all: what is counted is not what is allocated.
    const pictures = { "original.jpg": new Uint8Array(bytes) };
    let most = 0;
    for (let at = 0; at < 8_000; at++) {
      store.add({ ...made(at, at % 97 < 90 ? "pass" : "reject", 0, `line-3/cam-${at % 16}`), pictures });
      most = Math.max(most, store.bytes);
    }
    expect(most).toBeLessThanOrEqual(bounds.bytes);
    expect(most).toBeGreaterThan(bounds.bytes - bytes);
    expect(store.count * bytes).toBe(store.bytes);
    // Each source has its share, and both classes in it.
    for (let i = 0; i < 16; i++) {
      const labels = store.of(`line-3/cam-${i}`).map(({ label }) => label);
      expect(labels.length).toBeGreaterThan(25);
      expect(new Set(labels)).toEqual(new Set(["pass", "reject"]));
    }
  });
});

describe("the strip's server", () => {
  it("lists what is kept, newest first, by source and class", async () => {
    const { sink, list } = await start();
    await send(sink, decided("belt", "pass"));
    await send(sink, decided("belt", "pass"));
    await send(sink, decided("belt", "reject"));
    await send(sink, decided("cam-2", "pass", { relevance: null }));
    await send(sink, decided("cam-3", "pass"));
    await until("three decisions", async () => (await list()).length === 3);
    expect((await list("?source=belt")).map(({ label }) => label)).toEqual(["reject", "pass"]);
    expect((await list("?source=belt&label=reject")).map(({ source, label }) => [source, label])).toEqual([
      ["belt", "reject"],
    ]);
    expect(await list("?source=cam-2")).toEqual([]);
    expect(await list("?station=line-4")).toEqual([]);
    expect(await list("?limit=1")).toHaveLength(1);
  });

  it("gives the pictures of a decision, small and large, and its summary as it was published", async () => {
    const { sink, ask, list } = await start();
    const wide = await sharp(film[0]!.original).resize(1920, 1080).jpeg().toBuffer();
    const overlay = await sharp(wide).negate().jpeg().toBuffer();
    const of = decided("belt", "reject");
    await send(sink, of, { original: wide, overlay });
    await until("the decision", async () => (await list()).length === 1);
    const [{ pictures, details, id }] = (await list()) as [Listed];
    expect(Object.keys(pictures).sort()).toEqual(["heatmap", "original", "thumbnail"]);
    const shown = await ask(`/${pictures.original}`);
    expect(shown.headers["content-type"]).toBe("image/jpeg");
    expect(await sharp(shown.body).metadata()).toMatchObject({ format: "jpeg", width: 1280, height: 720 });
    const small = await ask(`/${pictures.thumbnail}`);
    expect(await sharp(small.body).metadata()).toMatchObject({ format: "jpeg", width: 213, height: 120 });
    expect(small.body.byteLength).toBeLessThan(12_000);
    // Of the overlay, which is the negative of the original here.
    const mean = async (picture: Buffer) => (await sharp(picture).stats()).channels[0]!.mean;
    expect(await mean(small.body)).toBeCloseTo(255 - (await mean(shown.body)), -1);
    expect((await ask(`/${pictures.heatmap}`)).body.equals(film[0]!.heatmap)).toBe(true);
    const told = JSON.parse(`${(await ask(`/${details}`)).body}`);
    expect(told).toMatchObject({ id, source: "belt", label: "reject", placement: PLACEMENT, summary: of });
    const head = await ask(`/${pictures.thumbnail}`, "HEAD");
    expect([head.code, head.headers["content-length"], head.body.byteLength]).toEqual([
      200,
      `${small.body.byteLength}`,
      0,
    ]);
  });

  it("asks for the pictures of frames that it will keep, and of no others, though nobody looks", async () => {
    const { sink } = await start();
    const explained = (sequence: number, label: string): UpcomingFrame => ({ sequence, label, explained: true });
    expect(sink.wantsOriginal!("belt", explained(1, "pass"))).toBe(true);
    expect(sink.wantsOverlay!("belt", explained(1, "pass"))).toBe(true);
    expect(sink.wantsOriginal!("belt", explained(2, "pass"))).toBe(false);
    expect(sink.wantsOverlay!("belt", explained(3, "reject"))).toBe(true);
    expect(sink.wantsOverlay!("belt", { ...explained(4, "reject"), why: ["below"] })).toBe(true);
    expect(sink.wantsOriginal!("belt", { ...UPCOMING, label: "other" })).toBe(false);
    const off = await start({ count: 0 });
    expect(off.sink.wantsOriginal!("belt", explained(1, "pass"))).toBe(false);
  });

  it("tells browsers what came and what made room for it, and one that comes later all there is", async () => {
    const { sink } = await start({ count: 2 });
    const first = await connectClient(sink.url!, true);
    ends.push(() => first.socket.terminate());
    for (const label of ["a", "b", "c"]) await send(sink, decided("belt", label));
    const news = () => first.messages.flatMap((m) => (m.type === "decisions" ? m.news : []));
    await until("news of three", () => {
      const added = news().flatMap((n) => n.added.map(({ label }) => label));
      const removed = news().flatMap((n) => n.removed);
      // The first may have gone before it was told of.
      return added.includes("c") && added.length - removed.length === 2;
    });
    const later = await connectClient(sink.url!, true);
    ends.push(() => later.socket.terminate());
    const hello = later.messages[0]!;
    expect(hello.type === "hello" && hello.decisions).toMatchObject([
      { key: "line-3/belt", added: [{ label: "b" }, { label: "c" }], removed: [] },
    ]);
  });

  it("forgets a source that is removed, and its pictures", async () => {
    const { sink, ask, list } = await start();
    await send(sink, decided("belt", "pass"));
    await until("the decision", async () => (await list()).length === 1);
    const [{ pictures }] = (await list()) as [Listed];
    sink.forget!("belt");
    expect(await list()).toEqual([]);
    expect((await ask("/decisions.json?source=belt")).code).toBe(404);
    expect((await ask(`/${pictures.original}`)).code).toBe(404);
  });

  it("keeps what comes of a source that is added anew before browsers were told that it was gone", async () => {
    const { sink, list } = await start();
    const looking = await connectClient(sink.url!, true);
    ends.push(() => looking.socket.terminate());
    await send(sink, decided("belt", "pass"));
    await until("the decision", async () => (await list()).length === 1);
    sink.forget!("belt");
    await send(sink, decided("belt", "reject"), { epoch: Date.now() + 1_000 });
    await until("the news", () => looking.messages.some(({ type }) => type === "gone"));
    await until("the new decision", async () => (await list()).map(({ label }) => label).join() === "reject");
  });

  it("says why summaries say that a frame was explained", async () => {
    const { sink, list } = await start();
    await send(sink, decided("belt", "pass", { why: ["changed", "below"] }));
    await until("the decision", async () => (await list()).length === 1);
    expect((await list())[0]!.why).toEqual(["changed", "below"]);
  });

  it("keeps what has no original by its overlay, and goes on after a picture that is none, which it says", async () => {
    const { sink, ask, list, recorded } = await start();
    await send(sink, decided("belt", "broken"), { original: Buffer.from("no jpeg") });
    await send(sink, decided("belt", "whole"), { original: undefined, overlay: film[1]!.original });
    await until("the whole one", async () => (await list()).length === 1);
    const [{ label, pictures }] = (await list()) as [Listed];
    expect([label, Object.keys(pictures).sort()]).toEqual(["whole", ["heatmap", "overlay", "thumbnail"]]);
    expect((await ask(`/${pictures.overlay}`)).body.equals(film[1]!.original)).toBe(true);
    expect(recorded.log).toContainEqual("a decision is missing on the live page: its picture cannot be read; 1 so far");
  });

  it("keeps to the page's rules, and names what is asked wrongly", async () => {
    const { sink, ask } = await start({}, { token: "open-sesame" });
    await send(sink, decided("belt", "pass"));
    expect((await ask("/decisions.json")).code).toBe(401);
    const shown = { authorization: "Bearer open-sesame" };
    expect((await ask("/decisions.json", "GET", shown)).code).toBe(200);
    expect((await ask("/decisions.json", "POST", shown)).code).toBe(405);
    for (const [path, code, body] of [
      ["/decisions.json?source=other", 404, "there is no source of that name\n"],
      ["/decisions.json?class=a", 400, "decisions are asked for by station, source, label and limit alone\n"],
      ["/decisions.json?limit=0", 400, "limit is a number from 1 to 1000\n"],
      ["/decisions/none/original.jpg", 404, "this decision is not kept, or not any more\n"],
      ["/decisions/__proto__/constructor", 404, "this decision is not kept, or not any more\n"],
      ["/decisions/", 404, "there is no such page\n"],
    ] as const) {
      const answer = await ask(path, "GET", shown);
      expect([answer.code, `${answer.body}`], path).toEqual([code, body]);
    }
    expect((await ask("/decisions.json", "GET", { host: "evil.example" })).code).toBe(401);
    const open = await start();
    // A page may set the header that a proxy sets.
    for (const more of [{}, { "x-forwarded-for": "10.0.0.9" }] as Record<string, string>[]) {
      expect((await open.ask("/decisions.json", "GET", { host: "evil.example", ...more })).code).toBe(421);
    }
  });
});
