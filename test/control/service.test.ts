import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { connect, type Msg, type NatsConnection } from "nats";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serviceSchema } from "../../src/control/json-schema.js";
import { schemaText } from "../../src/messages/json-schemas.js";
import type { SourceStatus, Summary } from "../../src/messages/summary.js";
import { INSPECTION, launchWorker, ROOT, type Worker, writeConfig } from "../e2e/worker.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";

const schema = serviceSchema();
const ajv = new Ajv2020({ strict: false });
ajv.addSchema(schema, "service");
const bottles = () => readFileSync(join(ROOT, "docs/overlay.jpg"));

let nats: NatsServer;
let worker: Worker;
let nc: NatsConnection;
beforeAll(async () => {
  nats = await startNatsServer({ jetstream: true, config: "max_payload: 131072" });
  const sinks = [{ kind: "nats", servers: [nats.url.replace("//", "//viewer:geheim99@")], jetstream: true }];
  worker = launchWorker(
    writeConfig({
      station: "desk",
      model: INSPECTION,
      sources: [],
      sinks,
      control: { sources: { folders: ["/"], count: 3 } },
    }),
  );
  nc = await connect({ servers: nats.url });
  await until("the worker to be ready", async () => (await worker.get("/readyz")).status === 200);
  await until("the service to answer", async () => (await found()).length === 1);
});
afterAll(async () => {
  await nc.close();
  worker.kill("SIGKILL");
  await worker.ended;
  await nats.stop();
});

async function found(): Promise<{ name: string; metadata?: Record<string, string> }[]> {
  const answers: { name: string; metadata?: Record<string, string> }[] = [];
  for await (const info of await nc.services.client().info("video-explainer")) answers.push(info);
  return answers;
}

type Body = object | string | Uint8Array;
const send = (subject: string, body: Body = {}): Promise<Msg> =>
  nc.request(
    `video-explainer.desk.${subject}`,
    typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
    { timeout: 20_000 },
  );

/** The answer, which must agree with the schema that is shipped. */
async function ask<T>(subject: string, body: Body = {}): Promise<T> {
  const message = await send(subject, body);
  expect(message.headers?.get("Nats-Service-Error") ?? "", subject).toBe("");
  const valid = ajv.getSchema(`service#/$defs/${subject.replace(".", "-")}-reply`)!;
  const answer = message.json<T>();
  expect(valid(answer), ajv.errorsText(valid.errors)).toBe(true);
  return answer;
}

async function refused(subject: string, body: Body): Promise<{ code: number; message: string }> {
  const answer = await send(subject, body);
  const { error } = answer.json<{ error: { code: number; message: string } }>();
  expect(answer.headers?.get("Nats-Service-Error-Code")).toBe(String(error.code));
  expect(answer.headers?.get("Nats-Service-Error")).not.toBe("");
  return error;
}

it("config/service.schema.json is current (else: npm run build && node scripts/generate-schemas.mjs)", () => {
  expect(readFileSync(join(ROOT, "config/service.schema.json"), "utf8")).toBe(schemaText(schema));
});

it("is found by whoever asks NATS for services, with its station and every request it knows", async () => {
  const infos = [];
  for await (const info of await nc.services.client().info("video-explainer")) infos.push(info);
  expect(infos).toHaveLength(1);
  expect(infos[0]!.metadata).toEqual({ station: "desk" });
  expect(infos[0]!.endpoints.map(({ subject }) => subject)).toEqual(
    ["explain", "sources.list", "sources.add", "sources.remove", "config.get", "config.set"].map(
      (subject) => `video-explainer.desk.${subject}`,
    ),
  );
});

describe("explain", () => {
  it("answers a JPEG with summary, overlay and heatmap", async () => {
    const { summary, overlay, heatmap } = await ask<{
      summary: Summary;
      overlay: { data: string };
      heatmap: { data: string };
    }>("explain", bottles());
    const picture = await sharp(bottles()).metadata();
    expect(summary.frame).toEqual({ width: picture.width, height: picture.height });
    expect(summary.relevance!.positive - summary.relevance!.negative).toBeCloseTo(1, 3);
    const drawn = await sharp(Buffer.from(overlay.data, "base64")).metadata();
    expect([drawn.format, drawn.width, drawn.height]).toEqual(["jpeg", picture.width, picture.height]);
    expect((await sharp(Buffer.from(heatmap.data, "base64")).metadata()).format).toBe("png");
  });

  it("makes the overlay smaller where the answer would not fit", async () => {
    const noise = { create: { width: 900, height: 600, channels: 3 as const, background: "#888" } };
    const noisy = { noise: { type: "gaussian" as const, mean: 128, sigma: 60 } };
    const large = await sharp({ create: { ...noise.create, ...noisy } })
      .jpeg({ quality: 30 })
      .toBuffer();
    const { summary, overlay } = await ask<{ summary: Summary; overlay: { data: string } }>("explain", large);
    expect([summary.frame.width, summary.frame.height]).toEqual([900, 600]);
    const { width, height } = await sharp(Buffer.from(overlay.data, "base64")).metadata();
    expect(width).toBeLessThan(900);
    expect(width! / height!).toBeCloseTo(1.5, 1);
  });

  it("refuses what is no picture, an empty request, and more pixels than any camera has", async () => {
    expect(await refused("explain", "some words")).toEqual({
      code: 400,
      message: "the request is no picture of a kind that is taken; send one of JPEG, PNG, WebP, GIF, TIFF, AVIF",
    });
    expect((await refused("explain", "")).message).toBe("the request is empty; send the bytes of a picture");
    const bomb = await sharp({ create: { width: 9000, height: 9000, channels: 3, background: "#000" } })
      .webp({ lossless: true })
      .toBuffer();
    expect(await refused("explain", bomb)).toEqual({
      code: 413,
      message: "the request has 9000x9000 pixels, more than 50 million; give a smaller picture",
    });
    expect((await refused("explain", bottles().subarray(0, 9000))).message).toBe(
      "the request cannot be read as a picture: it is damaged or cut off",
    );
  });
});

describe("sources", () => {
  it("come and go while the worker runs, and their frames are accounted for", async () => {
    const { added } = await ask<{ added: SourceStatus }>("sources.add", { name: "cam", url: "testsrc", width: 320 });
    expect(added.state).toBe("connecting");
    await until("it to be live", async () => {
      const { sources } = await ask<{ sources: SourceStatus[] }>("sources.list");
      return sources[0]!.state === "live" && sources[0]!.ledger.captured > 10;
    });
    expect(await refused("sources.add", { name: "cam", url: "testsrc" })).toEqual({
      code: 409,
      message: "there is a source cam already; give it another name, or remove that first",
    });
    const { removed } = await ask<{ removed: SourceStatus }>("sources.remove", { name: "cam" });
    expect([removed.state, removed.ledger.inFlight]).toEqual(["ended", 0]);
    const { sources, total } = await ask<{ sources: []; total: SourceStatus["ledger"] }>("sources.list");
    expect(sources).toEqual([]);
    expect(total).toEqual(removed.ledger);
    expect((await refused("sources.remove", { name: "cam" })).code).toBe(404);
  });

  it("may bear a name again, and its messages are none of the first one's", async () => {
    for (let i = 0; i < 2; i++) {
      await ask("sources.add", { name: "again", url: "testsrc", width: 320 });
      await until("it to be live", async () => {
        const { sources } = await ask<{ sources: SourceStatus[] }>("sources.list");
        return sources[0]!.ledger.explained > 5;
      });
      await ask("sources.remove", { name: "again" });
    }
    const jsm = await nc.jetstreamManager();
    const { state } = await jsm.streams.info("explain-desk", { subjects_filter: "explain.desk.again.summary" });
    const { total } = await ask<{ total: SourceStatus["ledger"] }>("sources.list");
    expect(state.subjects!["explain.desk.again.summary"]).toBeGreaterThan(11);
    expect(total.captured).toBe(total.explained + Object.values(total.dropped).reduce((a, b) => a + b, 0));
  });

  it("that ended by themselves can be removed, and their name is free again", async () => {
    const film = { name: "short", url: join(ROOT, "assets/media/bolts.gif"), pace: "fast" };
    for (let i = 0; i < 2; i++) {
      await ask("sources.add", film);
      await until("its end", async () => {
        const { sources } = await ask<{ sources: SourceStatus[] }>("sources.list");
        return sources[0]!.state === "ended" && sources[0]!.ledger.inFlight === 0;
      });
      await ask("sources.remove", { name: "short" });
    }
    expect((await refused("sources.add", { name: "g", url: "/*/*/*/*/*.jpg" })).message).toMatch(
      /looks into more than 1000 folders; name more of its path$/,
    );
    expect((await refused("sources.add", { name: "g", url: "****************Q" })).message).toMatch(
      /holds no pictures/,
    );
  });

  it("are checked as in the configuration, every fault at once; what ffmpeg is told is not the asker's to say", async () => {
    expect(await refused("sources.add", { name: "a b", ulr: "x.mp4" })).toEqual({
      code: 400,
      message:
        'ulr is not a known key; did you mean "url"?; name must be letters, digits, - or _, beginning with a letter or digit (it becomes part of NATS subjects), found text "a b"',
    });
    expect((await refused("sources.add", { name: "a", url: "gone.mp4" })).message).toMatch(
      /there is no file \S+gone\.mp4/,
    );
    expect((await refused("sources.add", { name: "a", url: "rtsp://h/s", loop: true })).message).toMatch(
      /^loop has no/,
    );
    expect((await refused("sources.add", { name: "a", url: "x", inputOptions: ["-y"] })).message).toMatch(
      /^inputOptions is/,
    );
  });
});

describe("sources that requests may not open", () => {
  it("are refused before anything is opened: this machine's own services, its ports, its cameras, too many pixels", async () => {
    const why = async (url: string, more: object = {}): Promise<string> =>
      (await refused("sources.add", { name: "a", url, ...more })).message;
    expect(await why("http://127.0.0.1:8080/")).toBe(
      "url names the host 127.0.0.1, which is this machine or a link-local address, and requests may not open those; control.sources.hosts in the configuration says which they may",
    );
    expect(await why("tcp://10.0.0.9:5000?listen=1")).toMatch(/^url would open a port of the worker's/);
    expect(await why("/dev/video0")).toMatch(/^url is a source of kind v4l2, which requests may not open/);
    const huge = { width: 7680, height: 4320, fps: 1000 };
    expect(await refused("sources.add", { name: "a", url: "testsrc", ...huge })).toEqual({
      code: 413,
      message:
        "all sources would have 33178 million pixels a second, more than the 2000 of limits.pixelsPerSecond; make width and height or fps smaller",
    });
    expect((await ask<{ sources: [] }>("sources.list")).sources).toEqual([]);
  });

  it("are those beyond the number that may be there at a time; a camera on the network is none of them", async () => {
    for (const name of ["one", "two", "three"]) {
      await ask("sources.add", { name, url: "rtsp://10.255.255.1/stream1" });
    }
    expect(await refused("sources.add", { name: "four", url: "rtsp://10.255.255.1/stream1" })).toEqual({
      code: 409,
      message: "3 sources were added at run time, which is the limit of control.sources.count; remove one first",
    });
    for (const name of ["one", "two", "three"]) await ask("sources.remove", { name });
    await ask("sources.add", { name: "four", url: "testsrc", width: 320 });
    await ask("sources.remove", { name: "four" });
  });
});

describe("config", () => {
  it("tells the configuration with its defaults and without its secrets", async () => {
    const { config } = await ask<{ config: { station: string; engine: { maxBatch: number } } }>("config.get");
    expect([config.station, config.engine.maxBatch]).toEqual(["desk", 8]);
    expect(JSON.stringify(config)).not.toContain("geheim99");
  });

  it("changes method, overlay and every while the worker runs", async () => {
    const changes = { explain: { method: "r-lrp-constant", every: 3 }, overlay: { show: "signed" } };
    const { config } = await ask<{ config: typeof changes }>("config.set", changes);
    expect(config).toMatchObject(changes);
    const wide = await ask<{ config: { explain: { grid: object } } }>("config.set", { explain: { grid: { rows: 4 } } });
    expect(wide.config.explain).toMatchObject({ method: "r-lrp-constant", grid: { rows: 4, columns: 8 } });
    await ask("config.set", { explain: { grid: { columns: 5 } } });
    expect((await ask<typeof wide>("config.get")).config.explain.grid).toEqual({ rows: 4, columns: 5 });
    const { summary } = await ask<{ summary: Summary }>("explain", bottles());
    expect(summary.relevance!.method).toBe("r-lrp-constant");
    await ask("sources.add", { name: "third", url: "testsrc", width: 320 });
    await until("frames to be explained and classified", async () => {
      const { sources } = await ask<{ sources: SourceStatus[] }>("sources.list");
      const { explained, classified } = sources[0]!.ledger;
      return classified > 10 && explained > 3 && explained < classified;
    });
    await ask("sources.remove", { name: "third" });
    await ask("config.set", { explain: { method: "r-lrp", every: 1 }, overlay: { show: "magnitude" } });
  });

  it("chooses which frames are explained while the worker runs", async () => {
    type Answer = { config: { explain: { when: object | null } } };
    const { config } = await ask<Answer>("config.set", { explain: { when: { every: 4, labels: ["crack"] } } });
    expect(config.explain.when).toEqual({ every: 4, labels: ["crack"] });
    expect((await refused("config.set", { explain: { when: { labels: ["crak"] } } })).message).toBe(
      'explain.when.labels[0] "crak" is not a label of the model; did you mean "crack"?',
    );
    expect((await ask<Answer>("config.get")).config.explain.when).toEqual({ every: 4, labels: ["crack"] });
    await ask("sources.add", { name: "chosen", url: "testsrc", width: 320 });
    await until("some frames to be chosen, and not others", async () => {
      const { explained, classified } = (await ask<{ sources: SourceStatus[] }>("sources.list")).sources[0]!.ledger;
      return classified > 3 && explained > 1;
    });
    await ask("sources.remove", { name: "chosen" });
    const after = await ask<Answer>("config.set", { explain: { when: null } });
    expect(after.config.explain.when).toBeNull();
  });

  it("refuses what it does not know, and stays as it was", async () => {
    const before = await ask("config.get");
    expect((await refused("config.set", { explain: { methd: "r-lrp" } })).message).toBe(
      'explain.methd is not a known key; did you mean "method"?',
    );
    expect((await refused("config.set", { explain: { target: 6 } })).message).toMatch(/^target class 6 does not exist/);
    expect((await refused("config.set", { overlay: { opacity: 2 } })).message).toMatch(
      /^overlay\.opacity must be at most 1/,
    );
    expect((await refused("config.set", { station: "other" })).message).toMatch(/^station is not a known key/);
    expect((await refused("config.set", "[1")).message).toBe("the request is not JSON; send a JSON object");
    expect(await ask("config.get")).toEqual(before);
  });
});
