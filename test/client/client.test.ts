import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type NatsConnection } from "nats";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawHeatmap, type Messages, ServiceError, type StationClient, stationClient } from "../../src/client/index.js";
import { INSPECTION, launchWorker, ROOT, type Worker, writeConfig } from "../e2e/worker.js";
import { ffmpeg } from "../pipeline/helpers.js";
import { temporaryFolder } from "../support/folders.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";

const LONG = 90_000;
const REGION = { x: 40, y: 20, width: 200, height: 120 };
let server: NatsServer;
let worker: Worker;
let nc: NatsConnection;
let line: StationClient;

beforeAll(async () => {
  server = await startNatsServer();
  const source = { name: "cam", url: "testsrc", fps: 4, width: 320, height: 180, region: REGION };
  const publish = ["summary", "overlay", "heatmap", "original", "status"];
  const sinks = [{ kind: "nats", servers: [server.url], publish }];
  worker = launchWorker(writeConfig({ station: "line", model: INSPECTION, sources: [source], sinks }));
  nc = await connect({ servers: server.url });
  line = stationClient(nc, { station: "line", timeoutMs: 20_000 });
  const answers = () =>
    line.listSources().then(
      ({ sources }) => sources[0]?.state === "live",
      () => false,
    );
  await until("the worker to answer", answers, LONG);
}, 2 * LONG);
afterAll(async () => {
  await nc?.close();
  worker?.kill("SIGKILL");
  await worker?.ended;
  await server?.stop();
});

async function first<T>(messages: Messages<T>): Promise<T> {
  for await (const message of messages) {
    messages.stop();
    return message;
  }
  throw new Error("there was none");
}

describe("a client", () => {
  it(
    "is given what the worker publishes of a frame, each kind as what it is",
    async () => {
      const [summary, overlay, heatmap, original, status] = await Promise.all([
        first(line.summaries()),
        first(line.overlays("cam")),
        first(line.heatmaps()),
        first(line.originals()),
        first(stationClient(nc, { station: "*" }).statuses()),
      ]);
      expect(summary).toMatchObject({
        station: "line",
        source: "cam",
        summary: { frame: { width: 320, height: 180 } },
      });
      expect([summary.sequence, summary.id]).toEqual([summary.summary.sequence, summary.summary.id]);
      for (const { picture } of [overlay, original])
        expect(await sharp(picture).metadata()).toMatchObject({ format: "jpeg", width: 320, height: 180 });
      expect(await sharp(heatmap.heatmap).metadata()).toMatchObject({ format: "png", channels: 1 });
      expect(heatmap.scale).toBeGreaterThan(0);
      expect(heatmap.placement).toEqual({ width: 320, height: 180, rect: REGION, clip: REGION });
      expect(status.status).toMatchObject({ state: "live", source: "cam" });
    },
    LONG,
  );

  it(
    "has a picture explained, and sources and settings changed; what is refused is an error with its code",
    async () => {
      const file = join(temporaryFolder(), "part.jpg");
      ffmpeg("-f", "lavfi", "-i", "testsrc=size=160x120", "-frames:v", "1", file);
      const { summary, overlay, heatmap } = await line.explain(readFileSync(file));
      expect(summary.frame).toEqual({ width: 160, height: 120 });
      expect((await sharp(overlay).metadata()).width).toBe(160);
      expect((await sharp(heatmap).metadata()).format).toBe("png");
      expect(await line.addSource({ name: "more", url: "testsrc", fps: 1 })).toMatchObject({ source: "more" });
      expect((await line.listSources()).sources.map(({ source }) => source)).toEqual(["cam", "more"]);
      expect(await line.removeSource("more")).toMatchObject({ state: "ended" });
      expect(await line.setConfig({ overlay: { opacity: 0.2 } })).toMatchObject({ overlay: { opacity: 0.2 } });
      expect(await line.getConfig()).toMatchObject({ station: "line", overlay: { opacity: 0.2 } });
      const refused = await line.removeSource("nobody").catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(ServiceError);
      expect(refused).toMatchObject({ code: 404, message: expect.stringContaining("nobody") });
      expect(() => stationClient(nc, { station: "a.b" })).toThrow(/cannot be part of a NATS subject/);
    },
    LONG,
  );

  it(
    "leaves out what is no summary and says so, and goes on",
    async () => {
      const faults: string[] = [];
      const other = stationClient(nc, { station: "other", onFault: (sentence) => faults.push(sentence) });
      const messages = other.summaries();
      const good = (await first(line.summaries())).summary;
      const coming = first(messages);
      nc.publish("explain.other.cam.summary", "no JSON");
      nc.publish("explain.other.cam.summary", JSON.stringify({ ...good, sequence: -1 }));
      nc.publish("explain.other.cam.summary", JSON.stringify({ ...good, later: "a key of a newer worker" }));
      expect((await coming).summary.id).toBe(good.id);
      expect(faults).toEqual([
        "a message on explain.other.cam.summary cannot be read: it is not JSON",
        expect.stringContaining("cannot be read: sequence: "),
      ]);
    },
    LONG,
  );
});

describe("a heatmap", () => {
  /** A grey frame, and a heatmap that is hot in its left half. */
  const pictures = async (width: number, height: number) => {
    const frame = await sharp({ create: { width, height, channels: 3, background: "#808080" } })
      .png()
      .toBuffer();
    const values = Uint8Array.from({ length: 16 }, (_, i) => (i % 4 < 2 ? 255 : 128));
    return {
      frame,
      heatmap: await sharp(values, { raw: { width: 4, height: 4, channels: 1 } })
        .png()
        .toBuffer(),
    };
  };
  const at = async (jpeg: Uint8Array, x: number, y: number): Promise<number[]> => {
    const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
    return [...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3)];
  };
  const isGrey = ([r, g, b]: number[]): boolean => Math.max(r!, g!, b!) - Math.min(r!, g!, b!) < 12;

  it("lies on a frame of another size where it lay on the station's, and nowhere else", async () => {
    const { frame, heatmap } = await pictures(400, 200);
    const rect = { x: 100, y: 20, width: 80, height: 60 };
    const placement = { width: 200, height: 100, rect, clip: rect };
    const drawn = await drawHeatmap(frame, { heatmap, placement }, { quality: 100 });
    expect(await sharp(drawn).metadata()).toMatchObject({ format: "jpeg", width: 400, height: 200 });
    expect(isGrey(await at(drawn, 230, 100))).toBe(false);
    const around = [
      [180, 100],
      [345, 100],
      [380, 100],
      [230, 20],
      [230, 180],
    ];
    for (const [x, y] of around) expect(isGrey(await at(drawn, x!, y!)), `${x} ${y}`).toBe(true);
    const bare = await drawHeatmap(frame, { heatmap, placement }, { opacity: 0, quality: 100 });
    expect(isGrey(await at(bare, 230, 100))).toBe(true);
  });

  it("without a placement covers the whole frame", async () => {
    const { frame, heatmap } = await pictures(40, 40);
    const drawn = await drawHeatmap(frame, { heatmap, placement: undefined }, { quality: 100 });
    expect([isGrey(await at(drawn, 5, 20)), isGrey(await at(drawn, 38, 20))]).toEqual([false, true]);
  });
});

it("the package's entry loads no engine, no ffmpeg and no picture library before something is drawn", () => {
  const script = `await import("video-explainer/client");
    const { createRequire } = await import("node:module");
    const loaded = Object.keys(createRequire(process.cwd() + "/").cache);
    const maps = (await import("node:fs")).readFileSync("/proc/self/maps", "utf8");
    console.log(JSON.stringify({ modules: loaded.filter((name) => /onnxruntime|tfjs|fluent|sharp/.test(name)), native: /onnxruntime|vips/.test(maps) }));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: ROOT, encoding: "utf8" });
  expect(JSON.parse(output)).toEqual({ modules: [], native: false });
});
