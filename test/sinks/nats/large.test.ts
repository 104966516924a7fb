import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import sharp from "sharp";
import { expect, it } from "vitest";
import { shrinkJpeg } from "../../../src/sinks/shrink.js";
import { storedMessages } from "../../support/nats-client.js";
import { makeOperator } from "../../support/nats-credentials.js";
import { freePort } from "../../support/nats-server.js";
import { cleanUps, sinkFor, start } from "../../support/nats-sink.js";
import { message, outcome, STATION, until } from "../../support/sinks.js";

const STREAM = `explain-${STATION}`;
/** A picture that compresses as a camera's does: structure and noise. */
async function picture(width: number, height: number): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 3);
  let random = 1;
  for (let i = 0; i < pixels.length; i++) {
    random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
    pixels[i] = 100 + 80 * Math.sin(i / 700) + ((random >>> 16) % 40);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 80 })
    .toBuffer();
}

const bytesOf = async (body: Uint8Array) => {
  const { data, info } = await sharp(body).raw().toBuffer({ resolveWithObject: true });
  expect(data.length).toBe(info.width * info.height * 3);
  return info;
};

it.each([true, false])(
  "overlays and originals over max_payload arrive smaller and in proportion, heatmaps are dropped, summaries arrive (jetstream: %s)",
  async (jetstream) => {
    const server = await start({ jetstream: true, config: "max_payload: 20000" });
    const publish = ["summary", "overlay", "heatmap", "original"];
    const { sink, recorded } = sinkFor({ servers: [server.url], jetstream, publish });
    const nc = await connect({ servers: server.url });
    cleanUps.push(() => nc.close());
    const heard: { kind: string; sequence: number; body: Uint8Array }[] = [];
    nc.subscribe(`explain.${STATION}.>`, {
      callback: (_, m) =>
        heard.push({
          kind: m.subject.split(".")[3]!,
          sequence: Number(m.headers?.get("Frame-Sequence")),
          body: m.data,
        }),
    });
    await nc.flush();
    await sink.connect();
    await until("the connection", () => sink.status().connected);
    const body = await picture(640, 360);
    expect(body.byteLength).toBeGreaterThan(40_000);
    const frames = [0, 1, 2, 3, 4].map((sequence) =>
      outcome(
        message("summary", "cam-1", sequence),
        message("overlay", "cam-1", sequence, sequence === 3 ? {} : { body }),
        message("heatmap", "cam-1", sequence, { body: Buffer.alloc(30_000) }),
        message("original", "cam-1", sequence, sequence === 3 ? {} : { body }),
      ),
    );
    await Promise.all(frames.map((frame) => sink.write(frame)));
    await sink.close(10_000);
    await until("all", () => heard.length >= 15);
    expect(heard.map(({ kind, sequence }) => `${kind} ${sequence}`)).toEqual(
      frames.flatMap((_, i) => [`summary ${i}`, `overlay ${i}`, `original ${i}`]),
    );
    for (const { kind, sequence, body: got } of heard) {
      if (kind === "summary" || sequence === 3) continue;
      expect(got.byteLength).toBeLessThan(20_000);
      expect(got.byteLength).toBeGreaterThan(3000);
      const { width, height } = await bytesOf(got);
      expect(Math.abs(width / height - 640 / 360)).toBeLessThan(0.02);
    }
    expect(recorded.dropped).toEqual(Array(5).fill("heatmap too-large"));
    expect(recorded.log.filter((line) => line.includes("made smaller"))).toEqual([
      "nats: pictures of source cam-1 are made smaller than its frames to fit max_payload 20000 of the NATS server; to avoid that raise it there, or lower the source's width or overlay.quality",
    ]);
  },
);

it.each([true, false])(
  "summaries over max_payload are counted each and told once, with what makes a summary smaller (jetstream: %s)",
  async (jetstream) => {
    const server = await start({ jetstream: true, config: "max_payload: 1024" });
    const { sink, recorded } = sinkFor({ servers: [server.url], jetstream });
    await sink.connect();
    for (let sequence = 0; sequence < 40; sequence++) {
      const body = Buffer.alloc(sequence === 20 ? 100 : 919);
      await sink.write(outcome(message("summary", `cam-${sequence % 3}`, sequence, { body })));
    }
    await sink.close(10_000);
    expect(recorded.dropped).toEqual(Array(39).fill("summary too-large"));
    expect(recorded.errors).toHaveLength(39);
    expect(recorded.published).toEqual(["summary"]);
    const told = recorded.log.filter((line) => line.includes("max_payload"));
    expect(told).toHaveLength(1);
    const [, bytes] =
      /^nats: summary of source cam-0 has (\d+) bytes with its headers, more than max_payload 1024 of the NATS server allows; raise that limit, or lower explain.top or the rows and columns of explain.grid$/.exec(
        told[0]!,
      )!;
    expect(Number(bytes)).toBeGreaterThan(1024);
  },
);

it("a limit of the user's own counts as the server's", async () => {
  const operator = makeOperator();
  const server = await start({ config: operator.config() });
  const folder = await mkdtemp(join(tmpdir(), "nats-large-"));
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  const credentials = join(folder, "small.creds");
  await writeFile(credentials, operator.user(undefined, 20_000).creds);
  const { sink, recorded } = sinkFor({ servers: [server.url], credentials });
  await sink.connect();
  const body = await picture(640, 360);
  await sink.write(outcome(message("overlay", "cam-1", 0, { body }), message("heatmap", "cam-1", 0, { body })));
  await sink.write(outcome(message("summary", "cam-1", 1)));
  await sink.close(10_000);
  expect([recorded.published, recorded.dropped]).toEqual([["overlay", "summary"], ["heatmap too-large"]]);
});

it.each(["wait", "drop"] as const)(
  "what was buffered before the limit was known is made smaller too (whenFull: %s)",
  async (whenFull) => {
    const port = await freePort();
    const { sink, recorded } = sinkFor({ servers: [`nats://127.0.0.1:${port}`], jetstream: true });
    await sink.connect();
    const body = await picture(640, 360);
    for (let sequence = 0; sequence < 5; sequence++) {
      await sink.write(outcome(message("overlay", "belt", sequence, { body, whenFull })));
    }
    const server = await start({ jetstream: true, port, config: "max_payload: 20000" });
    await sink.close(20_000);
    const stored = await storedMessages(server.url, STREAM);
    expect(stored.map(({ headers }) => Number(headers["Frame-Sequence"]))).toEqual([0, 1, 2, 3, 4]);
    for (const one of stored) await bytesOf(one.body);
    expect(recorded.dropped).toEqual([]);
    expect(sink.status().buffered).toBe(0);
  },
);

it("an overlay over a mebibyte is made smaller before any server was met", async () => {
  const port = await freePort();
  const { sink } = sinkFor({ servers: [`nats://127.0.0.1:${port}`], jetstream: true });
  const body = await picture(3000, 1800);
  expect(body.byteLength).toBeGreaterThan(1024 * 1024);
  await sink.connect();
  await sink.write(outcome(message("overlay", "belt", 0, { body })));
  const server = await start({ jetstream: true, port });
  await sink.close(20_000);
  const [stored] = await storedMessages(server.url, STREAM);
  expect(stored!.body.byteLength).toBeGreaterThan(300_000);
  await bytesOf(stored!.body);
});

it("a picture made smaller keeps its proportions and uses most of the room", async () => {
  const body = await sharp("docs/overlay.jpg").jpeg({ quality: 80 }).toBuffer();
  const { width, height } = await bytesOf(body);
  for (const share of [0.9, 0.5, 0.2]) {
    const limit = Math.round(body.byteLength * share);
    const smaller = (await shrinkJpeg(body, limit))!;
    expect(smaller.byteLength).toBeLessThanOrEqual(limit);
    expect(smaller.byteLength).toBeGreaterThan(limit / 2);
    const info = await bytesOf(smaller);
    expect(Math.abs(info.width * height - info.height * width)).toBeLessThanOrEqual(width);
  }
});

it("a picture that cannot be made to fit, or is none, is given up", async () => {
  const body = await picture(640, 360);
  expect(await shrinkJpeg(body, 200)).toBeUndefined();
  expect(await shrinkJpeg(body, 0)).toBeUndefined();
  expect(await shrinkJpeg(Buffer.from("no picture"), 5)).toBeUndefined();
  expect(await shrinkJpeg(body.subarray(0, 3000), 2000)).toBeUndefined();
});
