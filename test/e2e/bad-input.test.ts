import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runCli } from "../cli/run-cli.js";
import { buildModel } from "../explain/twin/onnx-writer.js";
import { probedTimes } from "../pipeline/helpers.js";
import { expectExactLedgers } from "../support/ledgers.js";
import { startNatsServer } from "../support/nats-server.js";
import { cutFilm, decodableFrames, truncated } from "./films.js";
import { publishedBy, readSummary, upTo } from "./topics.js";
import { INSPECTION, startWorker, temporaryFolder, writeConfig } from "./worker.js";

const folder = temporaryFolder();
const film = cutFilm(folder, 60);
const blockers: Server[] = [];
afterAll(() => blockers.forEach((server) => void server.close()));

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** A copy of the small model with something of it replaced. */
function model(name: string, replace: { onnx?: Uint8Array; labels?: string; card?: string | null }): { path: string } {
  const path = join(folder, name);
  mkdirSync(path);
  const put = (part: string, content: string | Uint8Array | null | undefined) => {
    if (content === undefined) copyFileSync(join(INSPECTION.path, part), join(path, part));
    else if (content !== null) writeFileSync(join(path, part), content);
  };
  put("model.onnx", replace.onnx);
  put("labels.txt", replace.labels);
  put("model.yaml", replace.card);
  return { path };
}

const config = (more: { model?: object; source?: object; sinks?: object[]; metrics?: object } = {}) => {
  const { model, source, sinks, ...rest } = more;
  return {
    station: "line-1",
    model: model ?? INSPECTION,
    sources: [{ name: "belt", url: film, ...source }],
    sinks: sinks ?? [{ kind: "stdout" }],
    ...rest,
  };
};

/** Runs it to its end: nothing on standard output; the sentences on standard error that are no log lines. */
async function refused(path: string): Promise<{ code: number | null; said: string[] }> {
  const { code, stdout, stderr } = await runCli(["run", path]);
  expect(stdout.slice(0, 200)).toBe("");
  const said = stderr.split("\n").filter((line) => line !== "" && !line.startsWith('{"level":"info"'));
  expect(stderr).not.toMatch(/^\s+at /m);
  return { code, said };
}

const written = (content: object) => writeConfig(content, temporaryFolder());
const onnx = readFileSync(join(INSPECTION.path, "model.onnx"));
const unknownOperator = buildModel({
  inputs: [{ name: "x", dims: [1, 3, 96, 96] }],
  nodes: [
    { op: "Conv", name: "stem", inputs: ["x", "w"], outputs: ["a"], attributes: { kernel_shape: [1, 1] } },
    { op: "NonMaxSuppression", name: "boxes/7", inputs: ["a"], outputs: ["b"] },
    { op: "GlobalAveragePool", inputs: ["b"], outputs: ["c"] },
    { op: "Flatten", inputs: ["c"], outputs: ["y"] },
  ],
  initializers: { w: { dims: [6, 3, 1, 1], data: Array.from({ length: 18 }, (_, i) => i - 9) } },
  outputs: ["y"],
});

describe("one sentence on standard error and exit code 2 for", () => {
  const cases: [what: string, path: () => string, sentence: RegExp][] = [
    [
      "a configuration that is not there",
      () => join(folder, "nowhere.yaml"),
      /^video-explainer: \S*nowhere\.yaml does not exist; give the path of a YAML configuration$/,
    ],
    [
      "a film that is not there",
      () => written(config({ source: { url: "gone.mp4" } })),
      /^\S+config\.yaml:\d+:\d+: source belt: there is no file \S*gone\.mp4; check its url$/,
    ],
    [
      "a text file as film",
      () => written(config({ source: { url: file("notes.mp4", "Not a film at all.\n".repeat(50)) } })),
      /^\S+config\.yaml:\d+:\d+: source belt: \S+notes\.mp4 cannot be read as video: /,
    ],
    [
      "a text file that says so",
      () => written(config({ source: { url: file("notes.txt", "Not a film at all.\n".repeat(50)) } })),
      /^\S+config\.yaml:\d+:\d+: source belt: \S+notes\.txt cannot be read as video: it is a text file$/,
    ],
    [
      "an empty film",
      () => written(config({ source: { url: file("empty.mp4", "") } })),
      /^\S+config\.yaml:\d+:\d+: source belt: \S+empty\.mp4 is empty$/,
    ],
    [
      "a film cut off before its index",
      () => written(config({ source: { url: file("index-lost.mp4", readFileSync(film).subarray(0, 900)) } })),
      /^\S+config\.yaml:\d+:\d+: source belt: \S+index-lost\.mp4 cannot be read as video: /,
    ],
    [
      "a region outside the film",
      () => written(config({ source: { region: { x: 600, y: 0, width: 100, height: 100 } } })),
      /^\S+config\.yaml:\d+:\d+: source belt: \S+: the region x 600, y 0, 100x100 reaches outside the 640x360 frame/,
    ],
    [
      "a model that is not there",
      () => written(config({ model: { path: "nowhere" } })),
      /^\S+config\.yaml:\d+:\d+: model "\S+nowhere" does not exist; give an ONNX or TensorFlow Lite file, the model\.json of a TensorFlow\.js model, or a folder/,
    ],
    [
      "an ONNX file that is none",
      () => written(config({ model: model("noise", { onnx: Buffer.from("no protobuf at all, but text") }) })),
      /^\S+config\.yaml:\d+:\d+: \S+model\.onnx is a text file, not a model; give an ONNX file/,
    ],
    [
      "an ONNX file that is cut off",
      () => written(config({ model: model("cut", { onnx: onnx.subarray(0, onnx.length / 2) }) })),
      /^\S+config\.yaml:\d+:\d+: \S+model\.onnx: /,
    ],
    [
      "an operator that cannot be explained",
      () => written(config({ model: model("boxes", { onnx: unknownOperator }) })),
      /^\S+config\.yaml:\d+:\d+: \S+model\.onnx: node "boxes\/7" \(operator NonMaxSuppression\) cannot be explained: /,
    ],
    [
      "labels of the wrong count",
      () => written(config({ model: model("labels", { labels: "good\nbad\n" }) })),
      /^\S+config\.yaml:\d+:\d+: \S+labels\.txt has 2 labels, but the model has 6 classes/,
    ],
    [
      "a model without a card",
      () => written(config({ model: model("bare", { card: null }) })),
      /^\S+config\.yaml:\d+:\d+: \S+model\.onnx: how pictures become the model's input is not known; write a card model\.yaml/,
    ],
    [
      "a card with an unknown key",
      () => written(config({ model: model("card", { card: "input:\n  width: 96\n  heigth: 96\n" }) })),
      /^\S+config\.yaml:\d+:\d+: \S+model\.yaml:3:3: input\.heigth is not a known key of a model card/,
    ],
    [
      "a key nobody knows",
      () => written(config({ source: { polcy: "latest" } })),
      /^\S+config\.yaml:9:5: sources\[0\]\.polcy is not a known key; did you mean "policy"\?$/,
    ],
    [
      "a source whose name is no NATS token",
      () => written(config({ source: { name: "belt.left" } })),
      /^\S+config\.yaml:\d+:\d+: sources\[0\]\.name .*letters, digits, - or _/,
    ],
    ["YAML that is none", () => file("broken.yaml", "model: { path: [\n"), /^\S+broken\.yaml:\d+:\d+: /],
  ];
  it.each(cases)("%s", async (_, path, sentence) => {
    const { code, said } = await refused(path());
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(sentence);
    expect(code).toBe(2);
  });
});

it("names every fault at once, in the order of the text", async () => {
  const { code, said } = await refused(written(config({ model: { path: "nowhere" }, source: { url: "gone.mp4" } })));
  expect(code).toBe(2);
  expect(said.map((line) => /model "|source belt/.exec(line)?.[0])).toEqual(['model "', "source belt"]);
});

describe("a port that is taken is named", () => {
  const taken = async (): Promise<number> => {
    const server = createServer();
    blockers.push(server);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return (server.address() as { port: number }).port;
  };
  it("for metrics", async () => {
    const port = await taken();
    const { code, said } = await refused(written(config({ metrics: { port } })));
    expect(said).toEqual([
      `video-explainer: metrics cannot listen on 127.0.0.1:${port}: another program listens there; end it, or set metrics.port to a free one`,
    ]);
    expect(code).toBe(1);
  });
  it("for the live page", async () => {
    const port = await taken();
    const { code, said } = await refused(written(config({ sinks: [{ kind: "viewer", port }] })));
    expect(said).toEqual([
      `video-explainer: the live page cannot listen on 127.0.0.1:${port}: another program listens there; end it, or set its port to a free one`,
    ]);
    expect(code).toBe(1);
  });
});

it("publishes what decodes of a film that is cut off, and reports the rest in one sentence", async () => {
  const server = await startNatsServer({ jetstream: true });
  try {
    const cut = truncated(film, 0.6);
    const whole = probedTimes(film);
    const worker = startWorker({
      ...config({ source: { url: cut } }),
      sinks: [{ kind: "nats", servers: [server.url], jetstream: true }, { kind: "stdout" }],
    });
    const { code } = await worker.ended;
    const { summaries, statuses } = await publishedBy(server.url, "line-1", "belt");
    console.log(`${summaries.length} of ${whole.length} frames; exit code ${code}; ${worker.said.join(" ")}`);
    expect(code).toBe(2);
    expect(summaries.length).toBeGreaterThan(20);
    expect(summaries.length).toBeLessThan(60);
    expect(summaries.map((s) => s.sequence)).toEqual(upTo(summaries.length));
    // As many as ffprobe decodes.
    expect(summaries).toHaveLength(decodableFrames(cut));
    expect(summaries.map((s) => s.pts)).toEqual(whole.slice(0, summaries.length));
    expect(worker.stdout.trimEnd().split("\n").map(readSummary)).toHaveLength(summaries.length);
    const sentence = new RegExp(
      `^video-explainer: source belt is damaged or cut off: it ended after ${summaries.length} frames, and ffmpeg reported: .*partial file`,
    );
    expect(worker.said).toHaveLength(1);
    expect(worker.said[0]).toMatch(sentence);
    expectExactLedgers(statuses);
    expect(statuses.at(-1)).toMatchObject({ state: "ended", reason: expect.stringMatching(/partial file/) });
  } finally {
    await server.stop();
  }
});
