import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach } from "vitest";
import { stringify } from "yaml";
import { MAIN } from "../cli/run-cli.js";
import { type Family, parseExposition } from "../metrics/exposition.js";
import { isRunning } from "../pipeline/helpers.js";
import { temporaryFolder } from "../support/folders.js";
import { until } from "../support/sinks.js";

export { temporaryFolder } from "../support/folders.js";

export const ROOT = resolve(import.meta.dirname, "../..");
export const BOTTLES = join(ROOT, "assets/media/bottles.mp4");
export const EFFICIENTNET = { path: join(ROOT, "models/efficientnet-lite0") };
/** Small and fast: for tests that are not about what it says. */
export const INSPECTION = { path: join(ROOT, "models/inspection-cnn") };
export const REGION = { x: 370, y: 80, width: 270, height: 270 };

export interface LogLine {
  level: string;
  msg: string;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A model and the programs of sources are loaded meanwhile, on a machine that may be busy. */
export const START_MS = 120_000;

/** `video-explainer run` as a process of its own. */
export interface Worker {
  readonly pid: number;
  /** What it wrote to standard error: log lines, and sentences at its end. */
  readonly log: LogLine[];
  readonly said: string[];
  readonly stdout: string;
  readonly ended: Promise<Ended>;
  readonly isOver: boolean;
  kill(signal: NodeJS.Signals): void;
  /** Status of an answer on the metrics port. */
  get(path: string): Promise<{ status: number; text: string }>;
  metrics(): Promise<Metrics>;
}

export interface Metrics {
  families: Map<string, Family>;
  /** Sum over the samples that bear all these labels; 0 when there is none. The name goes without prefix. */
  value(name: string, labels?: Record<string, string>): number;
}

const workers: Worker[] = [];
afterEach(async () => {
  for (const worker of workers.splice(0)) {
    if (!worker.isOver) worker.kill("SIGKILL");
    await worker.ended;
  }
});

/** Writes a configuration; metrics on a free port unless it says otherwise. */
export function writeConfig(config: object, folder = temporaryFolder()): string {
  const path = join(folder, "config.yaml");
  writeFileSync(path, stringify({ metrics: { port: 0 }, ...config }));
  return path;
}

/** Starts the built program on a configuration (a file, or what to write into one). */
export function startWorker(config: object | string, env: Record<string, string> = {}): Worker {
  const worker = launchWorker(typeof config === "string" ? config : writeConfig(config), env);
  workers.push(worker);
  return worker;
}

/** The same, but nobody ends it for you. */
export function launchWorker(path: string, env: Record<string, string> = {}): Worker {
  const child = spawn(process.execPath, [MAIN, "run", path], {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return follow(child);
}

function follow(child: ChildProcess): Worker {
  const log: LogLine[] = [];
  const said: string[] = [];
  let stdout = "";
  let isOver = false;
  let rest = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith("{")) log.push(JSON.parse(line) as LogLine);
      else said.push(line);
    }
  });
  const ended = new Promise<Ended>((done) =>
    child.once("close", (code, signal) => {
      isOver = true;
      done({ code, signal });
    }),
  );
  let metricsUrl: Promise<string> | undefined;
  const get = async (path: string) => {
    metricsUrl ??= metricsAddress();
    const response = await fetch((await metricsUrl) + path, { signal: AbortSignal.timeout(5000) });
    return { status: response.status, text: await response.text() };
  };
  const metricsAddress = async (): Promise<string> => {
    const find = () => log.map(({ msg }) => /^metrics: (http:\/\/\S+)\/metrics$/.exec(msg)?.[1]).find(Boolean);
    // Metrics are there before the model is.
    const isSaid = (): boolean => {
      if (isOver) throw new Error(`the worker ended before it served metrics: ${said.join(" ")}`);
      return find() !== undefined && log.some(({ msg }) => / is warm on | are work /.test(msg));
    };
    await until("the worker to say where its metrics are, and its model to be warm", isSaid, START_MS);
    return find()!;
  };
  return {
    pid: child.pid!,
    log,
    said,
    get stdout() {
      return stdout;
    },
    ended,
    get isOver() {
      return isOver;
    },
    kill: (signal) => void child.kill(signal),
    get,
    async metrics() {
      const families = parseExposition((await get("/metrics")).text);
      return { families, value: (name, labels = {}) => sampleSum(families, name, labels) };
    },
  };
}

function sampleSum(families: Map<string, Family>, name: string, labels: Record<string, string>): number {
  const full = `video_explainer_${name}`;
  const samples = [...families.values()].flatMap((family) => family.samples).filter((s) => s.name === full);
  return samples
    .filter((s) => Object.entries(labels).every(([key, value]) => s.labels[key] === value))
    .reduce((sum, s) => sum + s.value, 0);
}

/** Processes that a process started, directly or through others, zombies left out. */
export function childrenOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state !== "Z") parents.set(Number(name), Number(parent));
    } catch {
      // It ended while we looked.
    }
  }
  const descends = (child: number): boolean => {
    const parent = parents.get(child);
    return parent !== undefined && (parent === pid || descends(parent));
  };
  return [...parents.keys()].filter(descends);
}

export const anyRunning = (pids: readonly number[]): boolean => pids.some(isRunning);
