import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const SRC = fileURLToPath(new URL("../src", import.meta.url));

/** What each room may import, beside the single files of `src/` that all may: one way, from the top down. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  redact: [],
  http: [],
  messages: [],
  ffmpeg: [],
  overlay: [],
  explain: [],
  // Of `explain` and `overlay` the names of what they have, nothing else: see below.
  config: ["messages", "explain", "overlay"],
  pictures: ["ffmpeg"],
  pipeline: ["ffmpeg", "pictures", "messages", "config"],
  metrics: ["messages", "http"],
  // Of `overlay` the colours of heat, which the live page draws itself; of `ffmpeg` the encoder of streams.
  sinks: ["messages", "config", "http", "overlay", "ffmpeg"],
  control: ["messages", "config", "sinks"],
  // Of `sinks` how a NATS server is connected to; of `metrics` what is counted.
  fleet: ["explain", "messages", "sinks", "metrics", "config"],
  // Of `config` types alone, of `overlay` how heat is laid over a picture.
  client: ["messages", "config", "overlay"],
  station: ["fleet", "pipeline", "pictures", "explain", "overlay", "messages", "sinks", "control", "metrics", "config"],
  "one-shot": ["station", "pipeline", "pictures", "ffmpeg", "overlay", "messages", "sinks", "metrics", "config"],
  // Of `overlay` the colours of heat.
  evaluate: ["explain", "pictures", "overlay"],
  bench: ["station", "pipeline", "ffmpeg", "explain", "overlay", "messages", "sinks", "metrics", "config"],
  cli: [
    "station",
    "fleet",
    "one-shot",
    "evaluate",
    "bench",
    "pipeline",
    "pictures",
    "ffmpeg",
    "explain",
    "overlay",
    "messages",
    "sinks",
    "metrics",
    "config",
  ],
};

interface Import {
  from: string;
  to: string;
}

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
/** Of types too, and of what is imported only when it is needed. */
const imports: Import[] = files.flatMap((from) =>
  [...readFileSync(join(SRC, from), "utf8").matchAll(/(?:\bfrom|\bimport\(|\bimport) ?"(\.[^"]+)\.js"/g)].map(
    (match) => ({
      from,
      to: `${normalize(join(dirname(from), match[1]!))}.ts`,
    }),
  ),
);

/** The folder a file lies in; undefined for the single files of `src/`. */
const roomOf = (file: string): string | undefined => (file.includes("/") ? file.split("/")[0] : undefined);

/** A circle among nodes, each named once, or undefined. */
function circle(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): string[] | undefined => {
    const at = path.indexOf(node);
    if (at >= 0) return [...path.slice(at), node];
    if (done.has(node)) return undefined;
    for (const next of edges.get(node) ?? []) {
      const found = visit(next, [...path, node]);
      if (found) return found;
    }
    done.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const found = visit(node, []);
    if (found) return found;
  }
  return undefined;
}

function graph(pairs: readonly (readonly [string, string])[]): Map<string, Set<string>> {
  const edges = new Map<string, Set<string>>();
  for (const [from, to] of pairs) if (from !== to) edges.set(from, (edges.get(from) ?? new Set()).add(to));
  return edges;
}

describe("the house", () => {
  it("has no room that the table of arrows does not name", () => {
    const rooms = new Set(files.flatMap((file) => roomOf(file) ?? []));
    expect([...rooms].sort()).toEqual(Object.keys(ROOMS).sort());
  });

  it("has arrows between rooms as the table says, and none besides", () => {
    const forbidden = imports.filter(({ from, to }) => {
      const [room, other] = [roomOf(from), roomOf(to)];
      return room !== undefined && other !== undefined && room !== other && !ROOMS[room]!.includes(other);
    });
    expect(forbidden).toEqual([]);
  });

  it("has no arrow in its table that nobody takes", () => {
    const taken = new Set(imports.map(({ from, to }) => `${roomOf(from)} -> ${roomOf(to)}`));
    const idle = Object.entries(ROOMS).flatMap(([room, others]) => others.map((other) => `${room} -> ${other}`));
    expect(idle.filter((arrow) => !taken.has(arrow))).toEqual([]);
  });

  it("has single files that know no room but the doors to their own", () => {
    const outward = imports.filter(({ from, to }) => roomOf(from) === undefined && roomOf(to) !== undefined);
    expect(outward.filter(({ from, to }) => `${roomOf(to)}.ts` !== from)).toEqual([]);
  });

  it("tells the configuration names alone of what explains and draws", () => {
    const told = imports.filter(({ from, to }) => roomOf(from) === "config" && /^(explain|overlay)\//.test(to));
    expect(told.filter(({ to }) => !/(^|[/-])names\.ts$/.test(to))).toEqual([]);
  });

  it("has no circle of files, of types neither", () => {
    expect(circle(graph(imports.map(({ from, to }) => [from, to])))).toBeUndefined();
  });

  it("has no circle of rooms, within explain neither", () => {
    const rooms = imports.map(({ from, to }) => [roomOf(from) ?? from, roomOf(to) ?? to] as const);
    expect(circle(graph(rooms))).toBeUndefined();
    const inner = imports.flatMap(({ from, to }) => {
      const [a, b] = [from, to].map((file) => /^explain\/([^/]+)\//.exec(file)?.[1]);
      return a && b ? [[a, b] as const] : [];
    });
    expect(circle(graph(inner))).toBeUndefined();
  });
});
