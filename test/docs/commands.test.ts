import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parse, stringify } from "yaml";
import { MAIN, runCli } from "../cli/run-cli.js";
import { BOTTLES, launchWorker, START_MS, startWorker, temporaryFolder, type Worker } from "../e2e/worker.js";
import { ffmpeg } from "../pipeline/helpers.js";
import { freePort, type NatsServer, startNatsServer } from "../support/nats-server.js";
import { python, pythonPackages } from "../support/python.js";
import { until } from "../support/sinks.js";
import { blocksOf, COMMANDS, PAPERS, ROOT, textOf } from "./papers.js";

/** What cannot be run here, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "npm run demo": "installs programs; test/e2e/demo-page.test.ts runs what it starts",
  "npm test": "is what runs this",
  "npm test -- test/sinks": "is a part of it",
  "npx vitest run --project unit": "is a part of it",
  "npx vitest test/sinks": "goes on for ever",
  "npm run format": "changes files; npm test finds what it would change",
  "npm ci && npm run build": "would take the packages away from under this test",
  "docker build -t video-explainer -f deploy/Dockerfile .": "needs Docker",
  "export NATS_TOKEN=$(openssl rand -hex 16)": "is for Docker",
  "docker compose -f deploy/compose.yaml up --build": "needs Docker",
  "npm run setup:cuda": "fetches 1.2 GB; test/explain/engines/providers.test.ts runs it on what is set up",
  "npm run setup:tensorrt": "needs TensorRT; so does the test of CUDA's set-up, without it",
  "vlc http://127.0.0.1:8080/cam-1.mjpg": "needs VLC and a screen",
  "ffplay -fflags nobuffer http://127.0.0.1:8080/cam-1.mjpg": "needs a screen",
  "video-explainer run line-3.yaml --role capture": "needs a fleet; test/e2e/fleet.test.ts runs one",
  "video-explainer run line-3.yaml --role explain": "the same",
  "helm install line-3 deploy/helm/video-explainer --values my-values.yaml": "needs a cluster",
  "helm upgrade line-3 deploy/helm/video-explainer --values my-values.yaml": "needs a cluster",
};

/** Blocks of other languages that cannot be run here, by a part of each, and why. */
const NOT_RUN_PYTHON: Readonly<Record<string, string>> = {
  "torch.onnx.export": "needs PyTorch; node bench/zoo.mjs exports with it",
  "tf2onnx.convert": "needs Keras; node bench/zoo.mjs exports with it",
};

interface Ended {
  code: number | null;
  output: string;
}

/** A program of the papers with the server of this test, and its pictures in the folder of this test. */
const inFolder = (text: string): string =>
  text
    .replace(/(?:nats:\/\/)?127\.0\.0\.1:4222/, server.url)
    .replace(/"(\w+\.(?:jpg|png))"/g, (_, name: string) => JSON.stringify(join(folder, name)));

/** Runs to the end what is no command of ours. */
function execute(args: readonly string[], cwd = ROOT, program = process.execPath): Promise<Ended> {
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

/** Most start a worker or another program, on a machine that may be busy. */
vi.setConfig({ testTimeout: 2 * START_MS, hookTimeout: 2 * START_MS });

const folder = temporaryFolder();
let server: NatsServer;
let worker: Worker;
let nc: NatsConnection;
let page: number;

beforeAll(async () => {
  symlinkSync(join(ROOT, "models"), join(folder, "models"));
  copyFileSync(BOTTLES, join(folder, "belt.mp4"));
  ffmpeg("-f", "lavfi", "-i", "testsrc=size=160x120:rate=5", "-frames:v", "3", join(folder, "line.mp4"));
  ffmpeg("-f", "lavfi", "-i", "testsrc=size=160x120", "-frames:v", "1", join(folder, "part.jpg"));
  server = await startNatsServer({ jetstream: true });
  const config = join(folder, "worker.yaml");
  const sources = [{ name: "cam-1", url: "testsrc", fps: 5, width: 160, height: 120 }];
  page = await freePort();
  const sinks = [
    { kind: "nats", servers: [server.url] },
    { kind: "viewer", port: page },
  ];
  const model = { path: "models/inspection-cnn" };
  writeFileSync(config, stringify({ station: "line-3", model, sources, sinks, metrics: { port: 0 } }));
  worker = launchWorker(config);
  nc = await connect({ servers: server.url });
  await until("the worker to answer", () => answers("sources.list", ""), START_MS);
});
afterAll(async () => {
  await nc?.close();
  worker?.kill("SIGTERM");
  await worker?.ended;
  await server?.stop();
});

const answers = (endpoint: string, body: string): Promise<boolean> =>
  nc.request(`video-explainer.line-3.${endpoint}`, body, { timeout: 20_000 }).then(
    () => true,
    () => false,
  );

/** A command of ours with its arguments, without a shell: the papers quote nothing in them. */
const ours = (command: string): string[] | undefined =>
  /^node dist\/cli\/main\.js (.+)$/.exec(command)?.[1]?.split(" ");

const runs: readonly [shape: RegExp, run: (command: string) => Promise<void>][] = [
  [
    /main\.js explain/,
    async (command) => {
      const { code, output } = await execute([MAIN, ...ours(command)!, "--model", "models/inspection-cnn"], folder);
      expect(code, output).toBe(0);
    },
  ],
  [
    /main\.js evaluate/,
    async (command) => {
      mkdirSync(join(folder, "test"), { recursive: true });
      symlinkSync(join(ROOT, "test/fixtures"), join(folder, "test/fixtures"));
      const { code, output } = await execute([MAIN, ...ours(command)!], folder);
      expect(code, output).toBe(0);
      expect(existsSync(join(folder, "report.html"))).toBe(true);
    },
  ],
  [
    /main\.js run/,
    async (command) => {
      const env = { NATS_URL: server.url, VIEWER_PORT: "0", METRICS_PORT: "0" };
      const running = startWorker(join(ROOT, ours(command)![1]!), env);
      const isReady = () => running.isOver || running.get("/readyz").then(({ status }) => status === 200);
      await until("it to be ready", isReady, START_MS);
      running.kill("SIGTERM");
      expect((await running.ended).code, running.said.join("\n")).toBe(0);
    },
  ],
  [
    /bench\/gpu\.mjs --rehearse$/,
    async () => {
      const { code, output } = await execute([join(ROOT, "bench/gpu.mjs"), "--rehearse"], folder);
      expect(code, output).toBe(0);
      expect(JSON.parse(readFileSync(join(folder, "gpu.json"), "utf8"))).toMatchObject({
        rehearsed: true,
        golden: Array(3).fill(expect.objectContaining({ same: true })),
        worker: [expect.objectContaining({ sources: 4 })],
        skipped: [expect.stringContaining("--python")],
      });
    },
  ],
  [
    /main\.js (?:compile|inspect|models) /,
    async (command) => {
      mkdirSync(join(folder, "out"), { recursive: true });
      const { code, output } = await execute([MAIN, ...ours(command)!], folder);
      expect(code, output).toBe(0);
    },
  ],
  [
    /^python3 -c "import onnxruntime/,
    async (command) => {
      const script = /^python3 -c "(.+)"$/.exec(command)![1]!;
      expect(existsSync(join(folder, "explain.onnx"))).toBe(true);
      expect(python(script.replace("explain.onnx", join(folder, "explain.onnx"))).trim()).toBe("(1, 3, 224, 224)");
    },
  ],
  [
    /^ffmpeg -i http:\S+\.mjpg/,
    async (command) => {
      const [, ...args] = command.replace("127.0.0.1:8080", `127.0.0.1:${page}`).replace("-t 60", "-t 1").split(" ");
      const { code, output } = await execute(["-v", "error", "-y", ...args], folder, "ffmpeg");
      expect(code, output).toBe(0);
      expect(existsSync(join(folder, args.at(-1)!))).toBe(true);
    },
  ],
  [
    /^nats sub '[^']+'$/,
    async (command) => {
      const subscription = nc.subscribe(/'(.+)'/.exec(command)![1]!, { max: 1 });
      for await (const message of subscription) expect(message.json()).toMatchObject({ station: "line-3" });
    },
  ],
  [
    /^nats request \S+ '[^']*'$/,
    async (command) => {
      const [, subject, body] = /^nats request (\S+) '([^']*)'$/.exec(command)!;
      // Nothing here may dial out.
      const sent = body!.replace(/rtsp:[^"]+/, "testsrc");
      // Whatever the papers asked before: the camera is there to be removed, and not there to be added.
      if (subject!.endsWith(".add")) await answers("sources.remove", '{"name": "cam-9"}');
      if (subject!.endsWith(".remove")) await answers("sources.add", '{"name": "cam-9", "url": "testsrc"}');
      const answer = await nc.request(subject!, sent, { timeout: 20_000 });
      expect(answer.headers?.get("Nats-Service-Error") ?? "").toBe("");
    },
  ],
];

describe("a command in the papers", () => {
  it.each(COMMANDS.filter((command) => !(command in NOT_RUN)))("runs: %s", async (command) => {
    const matching = runs.filter(([shape]) => shape.test(command));
    expect(matching.map(([shape]) => String(shape))).toHaveLength(1);
    await matching[0]![1](command);
  });

  it("is run, or is in the list of those that cannot be, which has no others", () => {
    expect(Object.keys(NOT_RUN).filter((command) => !COMMANDS.includes(command))).toEqual([]);
  });

  it("has options that its --help knows", async () => {
    const named = PAPERS.map(textOf)
      .join("\n")
      .matchAll(/dist\/cli\/main\.js (\w+)([^\n#`]*)/g);
    const options = new Map<string, Set<string>>();
    for (const [, name, rest] of named) {
      const known = options.get(name!) ?? new Set();
      for (const [option] of rest!.matchAll(/(?<= )--?[a-z-]+/g)) known.add(option);
      options.set(name!, known);
    }
    expect(options.size).toBeGreaterThan(3);
    for (const [name, all] of options) {
      if (all.size === 0) continue;
      const { stdout } = await runCli([name, "--help"]);
      for (const option of all) expect(stdout).toContain(option);
    }
  });
});

describe("a program in the papers", () => {
  it.each(blocksOf("js"))("of %s runs", async (_, text) => {
    const code = inFolder(text).replace(/console\.log\(.*\);/, "$& process.exit(0);");
    const { code: status, output } = await execute(["--input-type=module", "-e", code]);
    expect(status, output).toBe(0);
    expect(output).toMatch(/^cam-1 \d+ /);
  });

  it.each(blocksOf("ts"))("of %s runs", async (_, text) => {
    const { code, output } = await execute([
      "--input-type=module",
      "-e",
      `${text}\nconsole.log(onnx.byteLength > 10_000)`,
    ]);
    expect(output).toBe("true\n");
    expect(code).toBe(0);
  });

  it.each(blocksOf("python").filter(([, text]) => text.includes("nats.connect")))("of %s runs", async (_, text) => {
    const env = { ...process.env, PYTHONUNBUFFERED: "1", PYTHONPATH: pythonPackages("nats-py", ["nats-py"]) };
    const child = spawn("python3", ["-c", inFolder(text)], { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let words = "";
    child.stderr.on("data", (chunk) => (words += chunk));
    // It goes on for ever: the first line is enough.
    for await (const chunk of child.stdout) {
      output += chunk;
      if (output.includes("\n")) break;
    }
    child.kill("SIGKILL");
    expect(output, words).toMatch(/^cam-1 \d+ \S/);
  });

  it("in Python is run, or in the list of those that cannot be", () => {
    const parts = Object.keys(NOT_RUN_PYTHON);
    const run = (text: string): boolean => text.includes("nats.connect");
    expect(
      blocksOf("python")
        .filter(([, text]) => !run(text))
        .filter(([, text]) => !parts.some((part) => text.includes(part))),
    ).toEqual([]);
    expect(parts.filter((part) => !blocksOf("python").some(([, text]) => text.includes(part)))).toEqual([]);
  });
});

it("the README's configuration passes `validate` where its film is", async () => {
  const [, text] = blocksOf("yaml").find(([, block]) => block.includes("model: { path: models/efficientnet-lite0 }"))!;
  const file = join(folder, "readme.yaml");
  writeFileSync(file, text);
  const { code, stdout, stderr } = await runCli(["validate", file]);
  expect(code, stderr).toBe(0);
  expect(parse(stdout)).toMatchObject(parse(readFileSync(file, "utf8")));
});
