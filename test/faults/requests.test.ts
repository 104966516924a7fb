import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { connect, type Msg, type NatsConnection } from "nats";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { serviceSchema } from "../../src/control/json-schema.js";
import type { SourceStatus } from "../../src/messages/summary.js";
import { INSPECTION, launchWorker, ROOT, type Worker, writeConfig } from "../e2e/worker.js";
import { expectExact } from "../support/ledgers.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { seeded } from "../support/random.js";
import { pause, until } from "../support/sinks.js";
import { capturedBy } from "./bed.js";
import { countFrom, heldBy } from "./resources.js";

// FUZZ_REQUESTS=10000 FUZZ_SEED=2 npx vitest run test/faults/requests.test.ts
const COUNT = countFrom("FUZZ_REQUESTS", 2000);
const random = seeded(countFrom("FUZZ_SEED", 1));
const AT_ONCE = 50;
const SECRET = "geheim-in-der-adresse";

const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
const below = (limit: number): number => Math.floor(random() * limit);
const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => below(256));

const ODD: readonly unknown[] = [
  null,
  true,
  [],
  {},
  "",
  " ",
  -1,
  0.5,
  1e308,
  2 ** 53 + 2,
  "NaN",
  "x".repeat(5000),
  "\u0000",
  "a\nb",
  "\ud800",
  "../../etc/passwd",
  "-y",
  "$(id)",
  "$" + "{HOME}",
  { __proto__: null, constructor: { prototype: 1 } },
  [[[[[[]]]]]],
];
const URLS = [
  "nowhere.mp4",
  "/etc/passwd",
  "/dev/zero",
  "/dev/stdin",
  "file:///dev/urandom",
  "file:/etc/hostname",
  "pipe:0",
  "concat:a.ts|b.ts",
  "data:video/mp4;base64,AAAA",
  "subfile,,start,0,end,9,,:/etc/passwd",
  "crypto:/etc/passwd",
  "gopher://127.0.0.1/",
  `http://viewer:${SECRET}@[::bad/`,
  "rtsp://",
  "*.nothing",
  "/*/*/*/*/*/*.jpg",
  "{a,a}".repeat(800),
  `${"*a".repeat(1000)}Q`,
  `rtsp://a:${"@".repeat(4000)}`,
  "file://elsewhere/a.mp4",
  "/dev/v4l/../zero",
  "x".repeat(4090),
  "",
  "-i",
  "\u0000",
];
const VALID: Record<string, () => object> = {
  "sources.list": () => ({}),
  "sources.add": () => ({
    name: `s${below(50)}`,
    url: pick(URLS),
    fps: 5,
    region: { x: 0, y: 0, width: 8, height: 8 },
  }),
  "sources.remove": () => ({ name: `s${below(50)}` }),
  "config.get": () => ({}),
  "config.set": () => ({ explain: { every: 2, top: 3 }, overlay: { opacity: 0.5, show: "signed" } }),
};

/** Another value, key or kind at a random place. */
function bent(value: unknown): unknown {
  if (typeof value !== "object" || value === null || random() < 0.2) return pick(ODD);
  const copy: Record<string, unknown> = { ...(value as object) };
  const key = pick([...Object.keys(copy), "extra"]);
  const what = random();
  if (what < 0.2) delete copy[key];
  else if (what < 0.4) copy[`${key}${pick(["s", " ", "\u0000", "."])}`] = copy[key];
  else copy[key] = bent(copy[key] ?? pick(ODD));
  return copy;
}

function damaged(text: string | Uint8Array): Uint8Array {
  const whole = Uint8Array.from(Buffer.from(text as string));
  const from = below(whole.length + 1);
  const what = random();
  if (what < 0.3) return whole.subarray(0, from);
  if (what < 0.5) return Buffer.concat([whole.subarray(0, from), bytes(below(20)), whole.subarray(from)]);
  if (what < 0.7)
    return Buffer.concat([whole.subarray(0, from), whole.subarray(Math.min(whole.length, from + below(9)))]);
  for (let i = 0; i < 1 + below(8) && whole.length > 0; i++) whole[below(whole.length)]! ^= 1 << below(8);
  return whole;
}

let pictures: Uint8Array[];
function request(): [subject: string, body: Uint8Array] {
  const subject = pick([...Object.keys(VALID), "sources.add", "config.set", "explain"]);
  if (subject === "explain") {
    const picture = pick(pictures);
    return [
      subject,
      pick([() => damaged(picture), () => damaged(picture), () => bytes(below(400)), () => Buffer.from("<svg/>")])(),
    ];
  }
  const body = VALID[subject]!();
  const what = random();
  if (what < 0.55) return [subject, Buffer.from(JSON.stringify(bent(body)))];
  if (what < 0.85) return [subject, damaged(JSON.stringify(body))];
  if (what < 0.9) return [subject, bytes(below(300))];
  if (what < 0.93) return [subject, Buffer.from("[".repeat(30_000))];
  if (what < 0.95) return [subject, Buffer.from(JSON.stringify({ ...body, pad: "x".repeat(70_000) }))];
  return [subject, Buffer.from(JSON.stringify(body))];
}

const ajv = new Ajv2020({ strict: false });
ajv.addSchema(serviceSchema(), "service");

let nats: NatsServer;
let worker: Worker;
let nc: NatsConnection;
beforeAll(async () => {
  const picture = sharp(readFileSync(join(ROOT, "docs/overlay.jpg"))).resize(96);
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
  const bomb = sharp({ create: { width: 9000, height: 9000, channels: 3, background: "#000" } });
  pictures = [
    await picture.clone().jpeg().toBuffer(),
    await picture.clone().png().toBuffer(),
    await picture.clone().webp().toBuffer(),
    await picture.clone().gif().toBuffer(),
    await picture.clone().tiff({ compression: "jpeg" }).toBuffer(),
    await picture.clone().avif({ effort: 0, bitdepth: 10 }).toBuffer(),
    await bomb.clone().resize(4000, 4000).avif({ effort: 0, bitdepth: 10 }).toBuffer(),
    await bomb.webp({ lossless: true }).toBuffer(),
    Buffer.from(svg),
  ];
  nats = await startNatsServer({ jetstream: true });
  worker = launchWorker(
    writeConfig({
      station: "desk",
      model: INSPECTION,
      sources: [{ name: "stays", url: "testsrc", width: 320, fps: 10 }],
      sinks: [{ kind: "nats", servers: [nats.url], jetstream: true }],
    }),
  );
  nc = await connect({ servers: nats.url });
  await until("the worker to be ready", async () => (await worker.get("/readyz")).status === 200);
  await until("the service to answer", async () => (await send("sources.list", new Uint8Array())) !== undefined);
  // The threads that decode pictures start with the first ones.
  await Promise.all([send("explain", pictures[0]!), send("explain", pictures[1]!)]);
});
afterAll(async () => {
  await nc.close();
  worker.kill("SIGKILL");
  await worker.ended;
  await nats.stop();
});

const send = (subject: string, body: Uint8Array): Promise<Msg | undefined> =>
  nc.request(`video-explainer.desk.${subject}`, body, { timeout: 60_000 }).catch((error: { code?: string }) => {
    if (error.code === "503") return undefined;
    throw error;
  });

/** An error that is clear, or an answer that agrees with its schema. The code of it. */
function judged(subject: string, sent: Uint8Array, answer: Msg): string {
  const about = `${subject} ${Buffer.from(sent).toString("latin1").slice(0, 300)}`;
  const code = answer.headers?.get("Nats-Service-Error-Code") ?? "";
  const body = answer.json<{ error?: { code: number; message: string } }>();
  if (code === "") {
    const valid = ajv.getSchema(`service#/$defs/${subject.replace(".", "-")}-reply`)!;
    expect(valid(body), `${about}: ${ajv.errorsText(valid.errors)}`).toBe(true);
    return "ok";
  }
  expect(code, `${about}: ${body.error?.message}`).toMatch(/^(?:400|404|409|413|503)$/);
  expect(String(body.error!.code)).toBe(code);
  const { message } = body.error!;
  expect(message.length, about).toBeGreaterThan(10);
  expect(message.length, about).toBeLessThan(2500);
  expect(message, about).not.toMatch(/[\r\n]| {4}at |undefined|\[object/);
  expect(message, about).not.toContain(SECRET);
  return code;
}

it(
  `answers ${COUNT} malformed requests each with one clear error, and works on undisturbed`,
  async () => {
    const before = heldBy(worker.pid);
    const codes: Record<string, number> = {};
    const began = performance.now();
    let left = COUNT;
    const asker = async (): Promise<void> => {
      while (left-- > 0) {
        const [subject, body] = request();
        const answer = await send(subject, body);
        if (!answer) throw new Error(`nobody answers ${subject}`);
        const code = judged(subject, body, answer);
        codes[code] = (codes[code] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, asker));
    const seconds = (performance.now() - began) / 1000;

    const list = (await send("sources.list", new Uint8Array()))!.json<{ sources: SourceStatus[] }>();
    for (const { source } of list.sources.filter((s) => s.source !== "stays")) {
      await send("sources.remove", Buffer.from(JSON.stringify({ name: source })));
    }
    await until("no other process to be there", () => heldBy(worker.pid).children <= before.children);
    const captured = capturedBy(await worker.metrics(), "stays");
    await until("frames to come", async () => capturedBy(await worker.metrics(), "stays") > captured + 10);
    expectExact(await worker.metrics());
    await pause(500);
    const after = heldBy(worker.pid);
    console.log(
      `${COUNT} requests in ${seconds.toFixed(1)} s: ${JSON.stringify(codes)}; ${before.rssMiB.toFixed(0)} MiB before, ${after.rssMiB.toFixed(0)} after; ${before.descriptors} descriptors before, ${after.descriptors} after`,
    );
    expect(worker.isOver).toBe(false);
    expect((await worker.get("/healthz")).status).toBe(200);
    expect((await worker.get("/readyz")).status).toBe(200);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 8);
    expect(after.rssMiB).toBeLessThan(before.rssMiB + 250);
    expect(worker.log.filter(({ level }) => level === "error")).toEqual([]);
    const refused = COUNT - (codes.ok ?? 0);
    expect(refused).toBeGreaterThan(COUNT / 2);
  },
  60_000 + COUNT * 60,
);
