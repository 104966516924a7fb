import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.js";
import { ConfigError } from "../../src/errors.js";

const VALID = `model: { path: m.onnx }
sources: [{ name: cam, url: a.mp4 }]
sinks: [{ kind: stdout }]
`;

const faultsOf = (text: string, env: Record<string, string> = {}): string[] => {
  try {
    parseConfig(text, "demo.yaml", env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map((fault) => fault.message);
    throw error;
  }
  return [];
};

describe("a configuration", () => {
  it("is completed with the defaults of the schema", () => {
    const config = parseConfig(VALID, "demo.yaml", {});
    expect(config.station).toBe("station");
    expect(config.engine).toEqual({
      cache: "auto",
      cacheBytes: 4 * 1024 ** 3,
      kind: "auto",
      device: "auto",
      precision: "float32",
      maxBatch: 8,
      maxWaitMs: 20,
      threads: 0,
    });
    expect(config.sources[0]).toMatchObject({ name: "cam", loop: false, transport: "tcp", stallSeconds: 10 });
    expect(config.metrics.port).toBe(9090);
  });

  it("gives each sink without a name its kind for one, with a number where that is taken", () => {
    const sinks =
      "{ kind: nats }, { kind: nats, prefix: b }, { kind: files, path: a, name: nats-2 }, { kind: nats, prefix: c }";
    const config = parseConfig(VALID.replace("{ kind: stdout }", sinks), "demo.yaml", {});
    expect(config.sinks.map(({ name }) => name)).toEqual(["nats", "nats-3", "nats-2", "nats-4"]);
  });

  it("may share parts by anchors, aliases and merge keys", () => {
    const text = `model: { path: m.onnx }
sources:
  - &cam { name: a, url: a.mp4, fps: 5 }
  - { <<: *cam, name: b }
  - { <<: [*cam], name: c, fps: 9 }
sinks: [{ kind: stdout }]
`;
    const { sources } = parseConfig(text, "demo.yaml", {});
    expect(sources.map(({ name, fps }) => [name, fps])).toEqual([
      ["a", 5],
      ["b", 5],
      ["c", 9],
    ]);
  });

  it("may close a bracket at its parent's column", () => {
    const text = VALID.replace("sinks: [{ kind: stdout }]", "sinks: [\n  { kind: stdout }\n]");
    expect(faultsOf(text)).toEqual([]);
  });

  it("may have a byte order mark and Windows line ends", () => {
    expect(faultsOf(`\ufeff${VALID.replaceAll("\n", "\r\n")}`)).toEqual([]);
  });

  it("has all its faults reported at once, each with file, line and column, in the order of the text", () => {
    const text = `station: 5
model: {}
engine: { maxBatch: 1.5, kind: onnx-runtime, maxWaitMs: 5000 }
explain: { target: [], grid: 3, methd: r-lrp }
sources:
  - name: a b
    url: ""
    policy: lates
    polcy: 1
    fps: ten
    width: "640"
    loop: yes
  - 5
sinks:
  - kind: nast
  - port: 1
fps: 3
log:
`;
    expect(faultsOf(text)).toEqual([
      "demo.yaml:1:10: station must be text (name of this worker), found the number 5; put it in quotes",
      "demo.yaml:2:8: model.path is missing; give text (ONNX, TensorFlow Lite or model.json file, or folder with one and its card)",
      "demo.yaml:3:21: engine.maxBatch must be a whole number (frames of a batch, of all sources), found the number 1.5",
      'demo.yaml:3:32: engine.kind "onnx-runtime" is not one of auto, openvino, onnxruntime, tfjs; did you mean "onnxruntime"?',
      "demo.yaml:3:57: engine.maxWaitMs must be at most 1000 (how long a batch waits for more frames), found the number 5000",
      'demo.yaml:4:20: explain.target must be "top" or text or a number (the class to explain), found a list',
      "demo.yaml:4:30: explain.grid must be a mapping of keys and values (cells of a summary's relevance by place), found the number 3",
      'demo.yaml:4:33: explain.methd is not a known key; did you mean "method"?',
      'demo.yaml:6:11: sources[0].name must be letters, digits, - or _, beginning with a letter or digit (it becomes part of NATS subjects), found text "a b"',
      'demo.yaml:7:10: sources[0].url must not be empty, found text ""',
      'demo.yaml:8:13: sources[0].policy "lates" is not one of latest, every-frame; did you mean "latest"?',
      'demo.yaml:9:5: sources[0].polcy is not a known key; did you mean "policy"?',
      'demo.yaml:10:10: sources[0].fps must be a number (frames a second at most), found text "ten"',
      'demo.yaml:11:12: sources[0].width must be a number (scale frames to this width), found text "640"; take the quotes away',
      'demo.yaml:12:11: sources[0].loop must be true or false (films and images only), found text "yes"; write true or false, without quotes',
      "demo.yaml:13:5: sources[1] must be a mapping of keys and values, found the number 5",
      'demo.yaml:15:11: sinks[0].kind "nast" is not one of nats, viewer, files, stdout, stream; did you mean "nats"?',
      "demo.yaml:16:5: sinks[1].kind is missing; give one of nats, viewer, files, stdout, stream",
      "demo.yaml:17:1: fps is not a known key here; it belongs at sources[].fps",
      "demo.yaml:18:1: log must be a mapping of keys and values, found nothing",
    ]);
  });

  it("counts a misspelt required key as one mistake", () => {
    expect(faultsOf(VALID.replace("url:", "ulr:"))).toEqual([
      'demo.yaml:2:24: sources[0].ulr is not a known key; did you mean "url"?',
    ]);
  });

  it("reports a fault in a shared part once, where it is written", () => {
    const text = `model: { path: m.onnx }
sources:
  - &cam { name: a, url: a.mp4, fbs: 5 }
  - { <<: *cam, name: b }
sinks: [{ kind: stdout }]
`;
    expect(faultsOf(text)).toEqual(['demo.yaml:3:33: sources[0].fbs is not a known key; did you mean "fps"?']);
  });

  it("lists a hundred faults and counts the rest", () => {
    const keys = Array.from({ length: 250 }, (_, i) => `zzz${i}: 1`).join("\n");
    const faults = faultsOf(`${VALID}${keys}`);
    expect(faults).toHaveLength(101);
    expect(faults[100]).toContain("more faults");
  });
});

describe("YAML that cannot be read", () => {
  const cases: [name: string, text: string, faults: string[]][] = [
    ["an unclosed quote", 'model: "abc\n', ['demo.yaml:2:1: a closing " is missing']],
    ["a tab", "sources:\n\t- a\n", ["demo.yaml:2:1: a tab is used to indent; use spaces"]],
    [
      "an alias without anchor",
      "model: *hunter2\n",
      ["demo.yaml:1:8: an alias (*name) has no anchor (&name) before it; a value that begins with * must be quoted"],
    ],
    [
      "a merge of what is no mapping",
      "model:\n  <<: 5\n",
      ["demo.yaml:2:3: a merge key << must be followed by an alias of a mapping, or by a list of such aliases"],
    ],
    ["nothing", "", ["demo.yaml:1:1: the configuration is empty; it needs model, sources and sinks"]],
    ["comments only", "# soon\n", ["demo.yaml:1:1: the configuration is empty; it needs model, sources and sinks"]],
    ["a list", "- a\n", ["demo.yaml:1:1: the configuration must be a mapping of keys and values, found a list"]],
    ["control characters", "a: \u0000\u0001", ["demo.yaml is not text but binary data; give a YAML file"]],
    [
      "a forgotten space",
      "password:hunter2\nmodel: 1\n",
      ["demo.yaml:1:1: a key must stand on one line and be followed by a colon and a space"],
    ],
  ];
  it.each(cases)("with %s is refused in words", (_, text, faults) => {
    expect(faultsOf(text)).toEqual(faults);
  });

  it("reports duplicate keys and second documents beside other faults", () => {
    expect(faultsOf(`${VALID}model: { path: b }\nsoruces: []\n---\nx: 1\n`)).toEqual([
      'demo.yaml:4:1: "model" is given twice in the same mapping; keep one',
      'demo.yaml:5:1: soruces is not a known key; did you mean "sources"?',
      "demo.yaml:6:1: a second document begins here with ---; one document a file is read",
    ]);
  });

  it.each([
    ["an alias bomb", bomb()],
    ["a list in itself", `${VALID}station: &x [*x]\n`],
    ["a mapping merged into itself", "sources: &x { <<: *x }\n"],
    ["brackets a hundred thousand deep", "[".repeat(100_000)],
    ["braces a hundred thousand deep", "{a: ".repeat(100_000)],
    ["lists a thousand deep by indentation", Array.from({ length: 1000 }, (_, i) => `${" ".repeat(i)}-`).join("\n")],
    ["a hundred thousand keys", Array.from({ length: 100_000 }, (_, i) => `k${i}: 1`).join("\n")],
    ["a hundred thousand aliases", `a: &a 1\nb: [${"*a,".repeat(100_000)}]`],
    ["a hundred thousand variables", `a: "${"$".concat("{X}").repeat(100_000)}"`],
    ["a hundred thousand dollars", `a: "${"$".repeat(100_000)}"`],
    ["one long key", `${"k".repeat(500_000)}: 1`],
  ])("does not hang on %s", (_, text) => {
    expect(faultsOf(text).length).toBeGreaterThan(0);
  });
});

function bomb(): string {
  const lines = ["l0: &l0 [x,x,x,x,x,x,x,x,x]"];
  for (let i = 1; i < 30; i++) lines.push(`l${i}: &l${i} [${`*l${i - 1},`.repeat(9)}]`);
  return lines.join("\n");
}
