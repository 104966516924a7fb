import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { MAIN } from "../cli/run-cli.js";
import { OPENVINO } from "../explain/engines/run.js";
import { freePort } from "../support/nats-server.js";
import { until } from "../support/sinks.js";
import { INSPECTION, ROOT, temporaryFolder } from "./worker.js";

/** strace makes each start slower, and a machine may be busy. */
const LONG_MS = 60_000;
vi.setConfig({ testTimeout: 2 * LONG_MS });
const MODEL = ["--model", INSPECTION.path];
const PICTURE = join(ROOT, "test/fixtures/inspection/images/0000.png");

interface Traced {
  code: number | null;
  stdout: string;
  stderr: string;
  /** `address:port` of every connection that was tried and datagram that was sent, by any process or thread. */
  reached: string[];
  /** What lies in the temporary, home, cache and working folders afterwards. */
  left: string[];
}

/** Runs node, watched by strace, with empty folders for all that a program finds in its environment, and nothing else in it. */
async function traced(
  words: readonly string[],
  { env = {}, until: said }: { env?: Record<string, string>; until?: RegExp } = {},
): Promise<Traced> {
  const folder = temporaryFolder();
  for (const name of ["tmp", "home", "cache", "cwd"]) mkdirSync(join(folder, name));
  const trace = join(folder, "trace");
  const strace = [
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-e",
    "trace=connect,sendto,sendmsg,sendmmsg",
    "-e",
    "signal=none",
    "-o",
    trace,
  ];
  // The shell says under which id node goes on.
  const child = spawn("strace", [...strace, "sh", "-c", 'echo $$; exec "$@"', "sh", process.execPath, ...words], {
    cwd: join(folder, "cwd"),
    env: {
      PATH: process.env.PATH,
      TMPDIR: join(folder, "tmp"),
      HOME: join(folder, "home"),
      XDG_CACHE_HOME: join(folder, "cache"),
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let heard = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (heard += chunk));
  const ended = new Promise<number | null>((done) => child.once("close", done));
  const texts = Promise.all([text(child.stdout), text(child.stderr)]);
  if (said !== undefined) {
    await until(`${words[1]} to say ${said}`, () => child.exitCode !== null || said.test(heard), LONG_MS);
    if (child.exitCode === null) process.kill(Number(/\d+/.exec(heard)![0]), "SIGINT");
  }
  const code = await ended;
  const [stdout, stderr] = await texts;
  const calls = readFileSync(trace, "utf8");
  const reached = calls.matchAll(/sin6?_port=htons\((\d+)\).*?inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"/g);
  const left = ["tmp", "home", "cache", "cwd"].flatMap((name) =>
    readdirSync(join(folder, name), { recursive: true }).map((file) => join(name, file as string)),
  );
  return {
    code,
    stdout: stdout.replace(/^\d+\n/, ""),
    stderr,
    reached: [...new Set([...reached].map(([, port, address]) => `${address}:${port}`))],
    left,
  };
}

const command = (words: readonly string[], options?: Parameters<typeof traced>[1]): Promise<Traced> =>
  traced([MAIN, ...words], options);

/** A configuration that opens nothing but what `parts` says. */
function configured(parts: object): string {
  const file = join(temporaryFolder(), "config.yaml");
  const plain = { model: INSPECTION, engine: { cache: "off" }, metrics: { port: 0 }, sinks: [{ kind: "stdout" }] };
  writeFileSync(file, stringify({ ...plain, sources: [{ name: "picture", url: PICTURE }], ...parts }));
  return file;
}

const out = (): string => temporaryFolder();
const COMMANDS: [string, () => readonly string[], RegExp?][] = [
  ["explain", () => ["explain", PICTURE, ...MODEL, "--out", out(), "--quiet"]],
  ["explain with OpenVINO", () => ["explain", PICTURE, ...MODEL, "--engine", "openvino", "--out", out(), "--quiet"]],
  ["explain with TensorFlow.js", () => ["explain", PICTURE, ...MODEL, "--engine", "tfjs", "--out", out(), "--quiet"]],
  ["attribute", () => ["attribute", "--input", PICTURE, ...MODEL]],
  ["inspect", () => ["inspect", INSPECTION.path]],
  ["compile", () => ["compile", INSPECTION.path, "--output", join(out(), "explained.onnx")]],
  ["bench", () => ["bench", ...MODEL, "--seconds", "1", "--only", "pipeline", "--no-nats"]],
  ["validate", () => ["validate", configured({})]],
  ["run", () => ["run", configured({})]],
];

it.each(COMMANDS)(
  "%s connects to nobody and leaves nothing but compiled models, and what came of their trials",
  async (_name, words) => {
    const { code, stderr, reached, left } = await command(words(), { env: { OPENVINO_LIBRARIES: OPENVINO } });
    expect(stderr).not.toMatch(/error|telemetry|onnxruntime/i);
    expect(code).toBe(0);
    expect(reached).toEqual([]);
    const expected = /^cache(\/video-explainer(\/compiled.*|\/openvino.*|\/tried(\/[0-9a-f]{64}\.json)?)?)?$/;
    expect(left.filter((file) => !expected.test(file))).toEqual([]);
  },
);

it("run and watch connect to the servers that they are given, and to no other", async () => {
  const [nats, camera] = [await freePort(), await freePort()];
  const server = `nats://127.0.0.1:${nats}`;
  const config = configured({
    sources: [{ name: "camera", url: `rtsp://127.0.0.1:${camera}/stream` }],
    sinks: [{ kind: "nats", servers: [server] }],
  });
  const [ran, watched] = await Promise.all([
    command(["run", config], { until: /cannot be reached/ }),
    command(["watch", "--server", server], { until: /cannot be reached|trying|away/ }),
  ]);
  expect(ran.reached.sort()).toEqual([`127.0.0.1:${nats}`, `127.0.0.1:${camera}`].sort());
  expect(watched.reached).toEqual([`127.0.0.1:${nats}`]);
  expect([...ran.left, ...watched.left].filter((file) => !file.startsWith("cache/video-explainer"))).toEqual([]);
});

it("no setting of the environment makes onnxruntime report, and folders that cannot be written cost no word", async () => {
  const { stderr, left, code } = await command(["attribute", "--input", PICTURE, ...MODEL], {
    env: { ORT_DISABLE_TELEMETRY: "0", HOME: "/nonexistent", XDG_CACHE_HOME: "/nonexistent" },
  });
  expect({ stderr, left, code }).toEqual({ stderr: "", left: [], code: 0 });
});

const LIBRARY = `
  import { isMainThread, Worker } from "node:worker_threads";
  const [thread, library, what, model] = process.argv.slice(2);
  if (isMainThread && thread !== "main") new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
  else {
    const { createExplainer, DEFAULT_METHOD, canonicalise, compile, engineNamed, loadModel } = await import(library);
    const cpu = { device: "cpu", threads: 1 };
    const summary = { top: 1, grid: { rows: 2, columns: 2 }, blur: 0 };
    const made = what === "explainer"
      ? await createExplainer({ ...DEFAULT_METHOD, ...summary, ...cpu, model, engine: "onnxruntime", cache: "off" })
      : await engineNamed("onnxruntime")(compile(canonicalise(loadModel(model).network), { low: [-3], high: [3], channelAxis: 1 }), cpu);
    await made.close();
  }`;

it.each([
  ["main", "explainer"],
  ["main", "engine"],
  ["worker", "explainer"],
  ["worker", "engine"],
])("the library on a user's %s thread (%s) leaves nothing either", async (thread, what) => {
  const script = join(temporaryFolder(), "user.mjs");
  writeFileSync(script, LIBRARY);
  const library = new URL("../../dist/explain/index.js", import.meta.url).href;
  const { code, stderr, reached, left } = await traced([script, thread, library, what, INSPECTION.path]);
  expect({ code, stderr, reached, left }).toEqual({ code: 0, stderr: "", reached: [], left: [] });
});
