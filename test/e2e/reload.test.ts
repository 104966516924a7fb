import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "nats";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import type { Config } from "../../src/config/schema.js";
import { summarySchema } from "../../src/messages/summary.js";
import { expectExact } from "../support/ledgers.js";
import { listen } from "../support/nats-client.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import { until } from "../support/sinks.js";
import { BOTTLES, INSPECTION, START_MS, startWorker, temporaryFolder } from "./worker.js";

const LONG = START_MS;
vi.setConfig({ testTimeout: 4 * LONG });

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server?.stop());

/** A folder as Kubernetes mounts a ConfigMap: files are links into a folder that is a link itself, which is turned. */
function configMap() {
  const folder = temporaryFolder();
  let version = 0;
  const path = join(folder, "config.yaml");
  return {
    path,
    write(text: string): void {
      const data = `..v${++version}`;
      mkdirSync(join(folder, data));
      writeFileSync(join(folder, data, "config.yaml"), text);
      symlinkSync(data, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
      if (version === 1) symlinkSync("..data/config.yaml", path);
      else rmSync(join(folder, `..v${version - 1}`), { recursive: true });
    },
  };
}

/** On a machine that is busy none of them is given up for dead. */
const TEST_PICTURE = { url: "testsrc", width: 320, height: 240, stallSeconds: 120 };
const config = (more: object = {}): object => ({
  station: "line",
  model: INSPECTION,
  sources: [
    { name: "stays", ...TEST_PICTURE, fps: 4 },
    { name: "leaves", ...TEST_PICTURE, fps: 4 },
    { name: "belt", url: BOTTLES, loop: true, fps: 4 },
  ],
  sinks: [{ kind: "nats", servers: [server.url], publish: ["summary", "status"] }, { kind: "stdout" }],
  metrics: { port: 0 },
  ...more,
});

it("a changed ConfigMap changes sources, settings and filters beside a source that does not notice; a faulty one nothing", async () => {
  const map = configMap();
  map.write(stringify(config()));
  const summaries = await listen(server.url, "explain.line.stays.summary");
  const worker = startWorker(map.path);
  const explained = async (source: string) => (await worker.metrics()).value("frames_explained_total", { source });
  const isExplained = (source: string) => until(`frames of ${source}`, async () => (await explained(source)) > 3, LONG);
  await Promise.all(["stays", "leaves", "belt"].map(isExplained));
  const nc = await connect({ servers: server.url });
  const running = async () =>
    (await nc.request("video-explainer.line.config.get", "", { timeout: LONG })).json<{ config: Config }>().config;
  const lines = (start: string) => worker.log.filter(({ msg }) => msg.startsWith(start));
  const said = (start: string, count = 1) => until(start, () => lines(start).length >= count, LONG);
  const sources = [
    { name: "stays", ...TEST_PICTURE, fps: 4 },
    { name: "belt", url: BOTTLES, loop: true, fps: 3 },
    { name: "comes", ...TEST_PICTURE, fps: 4 },
  ];
  const [nats] = (config() as Config).sinks;
  const next = config({
    sources,
    explain: { method: "r-lrp-constant" },
    overlay: { opacity: 0.3 },
    engine: { maxBatch: 5 },
    sinks: [nats, { kind: "stdout", only: { below: 0.0001 } }],
  });

  map.write(stringify(next));
  await said("configuration reloaded");
  expect(lines("configuration reloaded").map(({ msg }) => msg)).toEqual([
    "configuration reloaded: sources added: comes; sources changed: belt; sources removed: leaves; set anew: explain.method, overlay.opacity, sinks.stdout.only",
  ]);
  const waits = "engine.maxBatch keeps its value until the worker is restarted; the rest of the file is in force";
  await said(waits);
  expect(lines(waits)).toEqual([expect.objectContaining({ level: "warn", msg: waits })]);
  await Promise.all(["comes", "belt"].map(isExplained));
  const inForce = await running();
  expect(inForce.sources.map(({ name, fps }) => [name, fps]).sort()).toEqual([
    ["belt", 3],
    ["comes", 4],
    ["stays", 4],
  ]);
  expect(inForce).toMatchObject({
    engine: { maxBatch: 8 },
    explain: { method: "r-lrp-constant" },
    overlay: { opacity: 0.3 },
  });
  expect(inForce.sinks[1]).toMatchObject({ kind: "stdout", only: { below: 0.0001 } });
  const after = await worker.metrics();
  expectExact(after);
  const skipped = after.value("frames_skipped_total", { sink: "stdout" });
  expect(skipped).toBeGreaterThan(0);
  expect(after.families.get("video_explainer_source_state")!.samples.map(({ labels }) => labels.source)).not.toContain(
    "leaves",
  );

  const reloadedAt = after.value("config_last_reload_success_timestamp_seconds");
  expect([after.value("config_last_reload_successful"), reloadedAt > 1e9]).toEqual([1, true]);
  const faulty = { ...next, overlay: { opacity: 2 }, sources: [...sources, { name: "bad", url: "no-such-film.mp4" }] };
  map.write(stringify(faulty));
  await said("configuration not reloaded");
  map.write(stringify({ ...next, overlay: {}, sources: [...sources, { name: "bad", url: "no-such-film.mp4" }] }));
  await said("configuration not reloaded", 2);
  const foreign = [nats, { kind: "stdout", only: { labels: ["no such label"] } }];
  map.write(stringify({ ...next, overlay: {}, sinks: foreign }));
  await said("configuration not reloaded", 3);
  expect(lines("the new configuration is not taken").map(({ msg }) => msg)).toEqual([
    expect.stringMatching(/config\.yaml:\d+:\d+: overlay\.opacity must be at most 1/),
    expect.stringMatching(/config\.yaml:\d+:\d+: .*no-such-film\.mp4/),
    expect.stringMatching(/sinks\[1\]\.only\.labels\[0\] "no such label" is not a label of the model/),
  ]);
  expect(await running()).toEqual(inForce);
  const refused = await worker.metrics();
  expect(refused.value("config_last_reload_successful")).toBe(0);
  expect(refused.value("config_last_reload_success_timestamp_seconds")).toBe(reloadedAt);

  // The file is as it was: nobody but the signal asks.
  map.write(stringify(next));
  await said("configuration reloaded", 2);
  worker.kill("SIGHUP");
  await said("configuration reloaded: nothing in it has changed", 2);
  expect((await worker.metrics()).value("config_last_reload_successful")).toBe(1);

  const heard = summaries.heard.map(({ body }) => summarySchema.parse(JSON.parse(body)));
  const epochs = new Set(heard.map(({ id }) => /-(\d+)-\d+-summary$/.exec(id)?.[1]));
  expect(epochs.size).toBe(1);
  const sequences = heard.map(({ sequence }) => sequence);
  expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
  expect(new Set(heard.map(({ relevance }) => relevance!.method))).toEqual(new Set(["r-lrp-graded", "r-lrp-constant"]));
  const last = await worker.metrics();
  expectExact(last);
  expect(last.value("source_restarts_total", { source: "stays" })).toBe(0);
  worker.kill("SIGTERM");
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  await Promise.all([nc.close(), summaries.close()]);
});
