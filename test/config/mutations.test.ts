// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration's own syntax

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { parseConfig } from "../../src/config/load.js";
import { ConfigError } from "../../src/errors.js";

const SECRET = "hunter2-of-the-nats";
const TEXT = `station: line-3
model: { path: models/efficientnet-lite0 }
engine: { kind: auto, maxBatch: 16, maxWaitMs: 20 } # a comment
explain: { method: r-lrp, target: top, every: 1, grid: { rows: 8, columns: 8 } }
sources:
  - &cam
    name: cam-1
    url: "rtsp://viewer:\${PASSWORD}@10.0.0.5/stream1"
    fps: 10
    region: { x: 0, y: 8, width: 270, height: 270 }
  - { <<: *cam, name: cam-2 }
  - name: belt
    url: belt.mp4
    policy: every-frame
    loop: true
sinks:
  - { kind: nats, servers: ["nats://localhost:4222"], user: worker, password: \${PASSWORD}, jetstream: true }
  - kind: viewer
    port: \${PORT:-8080}
metrics: { port: 9091 }
`;
const ENV = { PASSWORD: SECRET };

/** Parses; whatever is wrong must be a ConfigError whose faults lie within the text and tell no secret. */
function check(text: string): string[] {
  try {
    parseConfig(text, "demo.yaml", ENV);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = text.split(/\r\n?|\n/);
    expect(error.faults.length).toBeGreaterThan(0);
    for (const { line, column, message } of error.faults) {
      expect(message).not.toContain(SECRET);
      expect(message).not.toMatch(/[\r\n]/);
      if (line === undefined) continue;
      expect(line).toBeGreaterThanOrEqual(1);
      expect(line).toBeLessThanOrEqual(lines.length);
      expect(column).toBeGreaterThanOrEqual(1);
      expect(message.startsWith(`demo.yaml:${line}:${column}: `)).toBe(true);
    }
    return error.faults.map((fault) => fault.message);
  }
}

it("tells no secret that a variable has put where a server's protocol stands", () => {
  expect(check(TEXT.replace("nats://localhost", "${PASSWORD}nats://localhost"))).toEqual([
    "demo.yaml:17:29: sinks[0].servers[0] begins with ***nats://; use nats:// or tls://",
  ]);
});

const at = fc.nat({ max: TEXT.length });
const snippet = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom(
    "\t",
    "\n",
    ": ",
    "- ",
    "*cam",
    "&cam ",
    "<<: *cam\n",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "|",
    ">",
    "#",
    "!x ",
    "%",
    "---\n",
  ),
  fc.constantFrom(
    "${",
    "${PASSWORD}",
    "${NOPE}",
    "$${",
    "${PORT:-",
    "~",
    "null",
    "1e999",
    "-0",
    ".nan",
    "? ",
    "__proto__: 1\n",
  ),
);

describe("a configuration that somebody broke", { timeout: 120_000 }, () => {
  it("is the valid one to begin with", () => {
    expect(check(TEXT)).toEqual([]);
  });

  it("is read, or refused with faults, when text is put in, left out or overwritten anywhere", () => {
    const edit = fc.tuple(at, fc.nat({ max: 30 }), snippet);
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        check(edits.reduce((text, [from, cut, put]) => text.slice(0, from) + put + text.slice(from + cut), TEXT));
      }),
      { numRuns: 300 },
    );
  });

  it("is refused with faults when it is anything at all", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => void check(text)),
      { numRuns: 150 },
    );
    const yaml = fc.object({ maxDepth: 4 }).map((value) => stringify(value));
    fc.assert(
      fc.property(yaml, (text) => void check(text)),
      { numRuns: 300 },
    );
  });

  it("names the key, its place and the right key when one letter of a key is wrong", () => {
    const keys = [...TEXT.matchAll(/(?<=^|[{,\s])([a-zA-Z]{5,})(?=: )/gm)];
    const letter = fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz");
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.nat(), letter, (match, where, wrong) => {
        const key = match[1]!;
        const i = where % key.length;
        if (key[i]!.toLowerCase() === wrong) return;
        const typo = key.slice(0, i) + wrong + key.slice(i + 1);
        const text = TEXT.slice(0, match.index) + typo + TEXT.slice(match.index + key.length);
        const before = text.slice(0, match.index).split("\n");
        const place = `demo.yaml:${before.length}:${before.at(-1)!.length + 1}: `;
        const fault = check(text).find((message) => message.startsWith(place));
        expect(fault).toContain(typo);
        expect(fault).toContain(`did you mean "${key}"?`);
      }),
      { numRuns: 150 },
    );
  });

  it("names the place when a value is of the wrong type", () => {
    const valid = parse(TEXT.replaceAll("${PASSWORD}", "x").replace("${PORT:-8080}", "8080"), {
      merge: true,
    }) as Record<string, unknown>;
    const wrong = fc.constantFrom<unknown>(null, true, [1], { a: 1 }, -7.5, "text of no use");
    const paths = leaves(valid);
    fc.assert(
      fc.property(fc.constantFrom(...paths), wrong, (path, value) => {
        const copy = structuredClone(valid);
        let parent: Record<string, unknown> = copy;
        for (const part of path.slice(0, -1)) parent = parent[part] as Record<string, unknown>;
        parent[path.at(-1)!] = value;
        const faults = check(stringify(copy));
        const name = path
          .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
          .join("")
          .slice(1);
        if (faults.length > 0) expect(faults.join("\n")).toContain(` ${name}`);
      }),
      { numRuns: 150 },
    );
  });
});

function leaves(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [path];
  return [
    ...(path.length ? [path] : []),
    ...Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key])),
  ];
}
