// `npm run demo`, `npm run demo -- bottles`: sets up what is missing, starts NATS where none answers, runs the worker on a shipped
// film, says where to look, and ends all of it with Ctrl-C.
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { isUsable, probe } from "./nats.mjs";
import { findProgram, freePort, identify, isAlive, isFree, sleep, stopProcess, widePath } from "./processes.mjs";
import { root, SetupError, setup } from "./setup.mjs";

const HOST = "127.0.0.1";
/** By name, the first being the one that runs where none is named. */
const DEMOS = {
  inspection: { config: "config/inspection.yaml", subject: "explain.demo.line", keepsRejects: true },
  bottles: { config: "config/demo.yaml", subject: "explain.demo.bottles", keepsRejects: false },
};
/** Pictures of rejects that are kept, three of each: a demo may be forgotten for days. */
const KEPT_FILES = 600;
/** Of their summaries, beside as much of those before. */
const KEPT_LINES_BYTES = 4 * 1024 ** 2;
const PRUNE_MS = 60_000;
const READY_MS = 120_000;
/** The worker drains within 10 s; the rest is for the process to go. */
const WORKER_GRACE_MS = 11_000;
const NATS_GRACE_MS = 5_000;

const folder = path.join(root, ".demo");
const rejects = path.join(folder, "rejects");
const recordFile = path.join(folder, "running.json");
/** What this demo started, in order: `{ name, child, identity, graceMs, log, ended }`. */
const started = [];
let finishing = false;

async function main() {
  const [name = "inspection", ...more] = process.argv.slice(2);
  const demo = Object.hasOwn(DEMOS, name) && more.length === 0 ? DEMOS[name] : undefined;
  if (!demo) throw new SetupError(`The demos are ${Object.keys(DEMOS).join(" and ")}: npm run demo -- bottles.`);
  const running = readRecord();
  if (isAlive(running?.demo)) {
    say(`\nThe demo already runs as process ${running.demo.pid}; end it with Ctrl-C there.\n`);
    say(running.where ?? "It is still starting.");
    return;
  }
  mkdirSync(folder, { recursive: true });
  await clearLeftovers(running);

  const given = process.env.NATS_URL;
  const standing = given !== undefined || isUsable(await probe(HOST, 4222));
  setup({ programs: ["ffmpeg", "ffprobe", ...(standing ? [] : ["nats-server"])], say: step });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => finish(0));
  // A closed terminal must not end the demo before it has ended what it started.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  writeRecord();

  const viewer = await portFor("VIEWER_PORT", 8080);
  const metrics = await portFor("METRICS_PORT", 9090);
  const natsUrl = given ?? (standing ? `nats://${HOST}:4222` : await startNats());
  if (demo.keepsRejects) {
    rmSync(rejects, { recursive: true, force: true });
    setInterval(pruneRejects, PRUNE_MS).unref();
  }
  step(`starting the worker with ${demo.config}`);
  const worker = launch("worker", process.execPath, ["dist/cli/main.js", "run", demo.config], WORKER_GRACE_MS, {
    EVIDENCE: rejects,
    NATS_URL: natsUrl,
    VIEWER_PORT: String(viewer),
    METRICS_PORT: String(metrics),
  });
  await untilReady(worker, `http://${HOST}:${viewer}/`, `http://${HOST}:${metrics}/readyz`);
  const where = describe(demo, natsUrl, viewer, metrics);
  writeRecord(where);
  say(`\n${where}\n\n  Ctrl-C ends the demo and all that it started.`);
}

function describe({ subject, keepsRejects }, natsUrl, viewer, metrics) {
  const rows = [
    ["live page", `http://${HOST}:${viewer}/`],
    ["metrics", `http://${HOST}:${metrics}/metrics`],
    ["topics", `${subject}.summary  .overlay  .heatmap  .status   on ${natsUrl}`],
    ["follow", `node dist/cli/main.js watch --server ${natsUrl} --prefix explain`],
    ["", `nats sub --server ${natsUrl} '${subject}.summary'`],
    ...(keepsRejects ? [["rejects", path.relative(process.cwd(), path.join(rejects, "line"))]] : []),
    ["log", path.relative(process.cwd(), path.join(folder, "worker.log"))],
  ];
  return rows.map(([name, text]) => `  ${name.padEnd(11)}${text}`).join("\n");
}

/** Names begin with the time; the worker opens the file of summaries for each line, and begins it anew where it is gone. */
function pruneRejects() {
  const kept = path.join(rejects, "line");
  if (!existsSync(kept)) return;
  const files = readdirSync(kept).filter((file) => !file.endsWith(".jsonl"));
  for (const file of files.sort().slice(0, -KEPT_FILES)) rmSync(path.join(kept, file), { force: true });
  const lines = path.join(kept, "summaries.jsonl");
  const isLong = (statSync(lines, { throwIfNoEntry: false })?.size ?? 0) > KEPT_LINES_BYTES;
  if (isLong) renameSync(lines, path.join(kept, "summaries-before.jsonl"));
}

async function startNats() {
  const port = await freePort(4222);
  step(`starting nats-server with JetStream on port ${port}`);
  const store = path.join(folder, "nats");
  const words = ["--jetstream", "--addr", HOST, "--port", String(port), "--store_dir", store];
  const server = launch("nats-server", findProgram("nats-server"), words, NATS_GRACE_MS);
  const deadline = Date.now() + 15_000;
  while (!isUsable(await probe(HOST, port, 500))) {
    if (Date.now() > deadline) throw new SetupError(`nats-server did not answer on port ${port}; see ${server.log}.`);
    await sleep(50);
  }
  return `nats://${HOST}:${port}`;
}

async function portFor(variable, usual) {
  const given = process.env[variable];
  if (given === undefined) return freePort(usual);
  const port = Number(given);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new SetupError(`${variable} is "${given}", which is no port; give a whole number from 1 to 65535.`);
  }
  if (!(await isFree(port))) {
    throw new SetupError(`Port ${port} (${variable}) is taken on ${HOST}; give another, or unset ${variable}.`);
  }
  return port;
}

/**
 * Starts a program in a process group of its own, so that Ctrl-C in the terminal reaches this script alone and the
 * order of ending is ours. On Linux the kernel ends it too should this script be killed outright.
 */
function launch(name, program, words, graceMs, env = {}) {
  const log = path.join(folder, `${name}.log`);
  const output = openSync(log, "w");
  const guard = deathSignal();
  const [first, ...rest] = [...guard, program, ...words];
  const child = spawn(first, rest, {
    cwd: root,
    detached: true,
    env: { ...process.env, PATH: widePath(), ...env },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const entry = { name, identity: identify(child.pid), graceMs, log: path.relative(process.cwd(), log), ended: false };
  started.push(entry);
  writeRecord();
  child.once("error", (error) => fail(new SetupError(`${name} could not be started (${error.message}).`)));
  child.once("exit", (code, signal) => {
    entry.ended = true;
    if (finishing) return;
    const words = lastWords(readFileSync(log, "utf8"));
    say("", process.stderr);
    if (words) say(words, process.stderr);
    say(`${name} ended (${signal ?? `exit code ${code}`}); its log is ${entry.log}.`, process.stderr);
    void finish(code ?? 1);
  });
  return entry;
}

let guard;
function deathSignal() {
  if (guard === undefined) {
    const setpriv = process.platform === "linux" ? findProgram("setpriv") : undefined;
    const words = ["--pdeathsig", "TERM", "--"];
    const works = setpriv && spawnSync(setpriv, [...words, "true"], { stdio: "ignore" }).status === 0;
    guard = works ? [setpriv, ...words] : [];
  }
  return guard;
}

async function untilReady(worker, page, readiness) {
  const deadline = Date.now() + READY_MS;
  let state;
  while (!worker.ended && !finishing) {
    if ((await answer(page))?.ok) {
      state = await answer(readiness);
      if (state?.ok) return;
    }
    if (Date.now() > deadline) {
      const why = state ? `it says "${state.text.trim().slice(0, 200)}"` : "the live page does not answer";
      throw new SetupError(`The worker is not ready after ${READY_MS / 1000} s: ${why}; see ${worker.log}.`);
    }
    await sleep(100);
  }
  // Whoever ended it says why and ends this script.
  await new Promise(() => {});
}

async function answer(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    return { ok: response.ok, text: await response.text() };
  } catch {
    return undefined;
  }
}

/** Ends what was started, last first, and this script with it. */
async function finish(code) {
  if (finishing) return;
  finishing = true;
  if (started.some((entry) => !entry.ended)) step("ending");
  let result = code;
  for (const entry of [...started].reverse()) {
    if (await stopProcess(entry.identity, entry.graceMs)) continue;
    say(`${entry.name} did not end within ${entry.graceMs / 1000} s and was killed.`, process.stderr);
    result ||= 1;
  }
  rmSync(recordFile, { force: true });
  process.exit(result);
}

/** A demo that was killed outright may have left its processes; they end here, and only they. */
async function clearLeftovers(record) {
  for (const entry of [...(record?.started ?? [])].reverse()) {
    if (!isAlive(entry.identity)) continue;
    step(`ending a ${entry.name} that an earlier demo left (process ${entry.identity.pid})`);
    await stopProcess(entry.identity, entry.graceMs);
  }
  rmSync(recordFile, { force: true });
}

function readRecord() {
  if (!existsSync(recordFile)) return undefined;
  try {
    return JSON.parse(readFileSync(recordFile, "utf8"));
  } catch {
    return undefined;
  }
}

function writeRecord(where) {
  const processes = started.map(({ name, identity, graceMs }) => ({ name, identity, graceMs }));
  writeFileSync(recordFile, JSON.stringify({ demo: identify(process.pid), started: processes, where }));
}

/** The last lines of a log, those in pino's JSON as their message alone. */
function lastWords(log) {
  const lines = log.trimEnd().split("\n").slice(-5);
  return lines
    .map((line) => {
      try {
        return JSON.parse(line).msg ?? line;
      } catch {
        return line;
      }
    })
    .join("\n")
    .trim();
}

function step(text) {
  say(`- ${text}`);
}

/**
 * @param {string} text
 * @param {NodeJS.WritableStream} [stream]
 */
function say(text, stream = process.stdout) {
  stream.write(`${text}\n`);
}

function fail(error) {
  say(error instanceof SetupError ? error.message : `The demo failed: ${error.message}.`, process.stderr);
  return finish(1);
}

main().catch(fail);
