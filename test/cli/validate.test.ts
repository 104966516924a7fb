import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nkeys } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { checkConfig } from "../../src/cli/validate.js";
import { loadConfig } from "../../src/config/load.js";
import { runCli } from "./run-cli.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MODEL = join(ROOT, "models", "efficientnet-lite0");
const FILM = join(ROOT, "assets", "media", "bottles.mp4");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "validate-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const config = (model = MODEL, film = FILM, more = ""): string => `model: { path: ${JSON.stringify(model)} }
sources: [{ name: cam, url: ${JSON.stringify(film)} }]
sinks: [{ kind: nats, user: worker, password: "\${NATS_PASSWORD:-hunter2}" }]
${more}`;

describe("video-explainer validate", () => {
  it("prints the configuration with defaults and without secrets", async () => {
    const { code, stdout, stderr } = await runCli(["validate", write("good.yaml", config())], {
      NATS_PASSWORD: "hunter3",
    });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).not.toContain("hunter");
    expect(parse(stdout)).toMatchObject({
      station: "station",
      sinks: [{ kind: "nats", password: "***", prefix: "explain" }],
    });
  });

  it("prints JSON when asked, and nothing when asked to be quiet", async () => {
    const path = write("good.yaml", config());
    const json = await runCli(["validate", path, "--json", "--no-files"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ valid: true, config: { metrics: { port: 9090 } } });
    expect(await runCli(["validate", path, "--quiet", "--no-files"])).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("names labels that the model has not, with what was probably meant, and looks for none without the model", async () => {
    const path = write("labels.yaml", config(MODEL, FILM, "explain: { when: { labels: [water botle] } }\n"));
    expect(await runCli(["validate", path])).toEqual({
      code: 2,
      stdout: "",
      stderr: `${path}:4:29: explain.when.labels[0] "water botle" is not a label of the model; did you mean "water bottle"?\n`,
    });
    expect((await runCli(["validate", path, "--no-files", "--quiet"])).code).toBe(0);
  });

  it("prints each fault on a line of stderr, nothing on stdout, and exits 2", async () => {
    const path = write(
      "bad.yaml",
      "model: { path: m }\nsources: [{ name: cam, url: a.mp4, polcy: latest }]\nsinks: []\n",
    );
    expect(await runCli(["validate", path])).toEqual({
      code: 2,
      stdout: "",
      stderr: `${path}:2:36: sources[0].polcy is not a known key; did you mean "policy"?\n${path}:3:8: sinks must have at least one entry\n`,
    });
    const json = await runCli(["validate", path, "--json"]);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: false,
      faults: [
        { path: "sources[0].polcy", line: 2, column: 36 },
        { path: "sinks", line: 3, column: 8 },
      ],
    });
  });

  it.each<[name: string, bytes: string | Uint8Array | null, sentence: RegExp]>([
    ["missing", null, /^video-explainer: \S+ does not exist; give the path of a YAML configuration\n$/],
    ["empty", "", /^\S+:1:1: the configuration is empty; it needs model, sources and sinks\n$/],
    ["no mapping", "hello", /^\S+:1:1: the configuration must be a mapping of keys and values, found text "hello"\n$/],
    [
      "binary",
      new Uint8Array([0xff, 0xd8, 0xff, 0xe0]),
      /^video-explainer: \S+ is not UTF-8 text; save it as a YAML file in UTF-8\n$/,
    ],
  ])("refuses a file that is %s in one line", async (name, bytes, sentence) => {
    const path = join(folder, `${name.replace(" ", "-")}.yaml`);
    if (bytes !== null) writeFileSync(path, bytes);
    const { code, stdout, stderr } = await runCli(["validate", path]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(sentence);
  });

  it("looks at the model and the films that are named, and says where they are named", async () => {
    const text = write("note.mp4", "this is no film");
    const path = write("away.yaml", config("nowhere.onnx", text));
    const { code, stdout, stderr } = await runCli(["validate", path]);
    expect([code, stdout]).toEqual([2, ""]);
    const lines = stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain(`${path}:1:16: model`);
    expect(lines[0]).toContain("does not exist");
    expect(lines[1]).toContain(`${path}:2:29: `);
    expect((await runCli(["validate", path, "--no-files"])).code).toBe(0);
  });

  it("refuses a model that is damaged, and a class that it does not have", async () => {
    const damaged = join(folder, "damaged");
    mkdirSync(damaged);
    writeFileSync(join(damaged, "model.onnx"), "not a model");
    copyFileSync(join(MODEL, "model.yaml"), join(damaged, "model.yaml"));
    const bad = await runCli(["validate", write("damaged.yaml", config(damaged))]);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toMatch(/^\S+damaged\.yaml:1:16: .*\n$/);
    const target = await runCli(["validate", write("target.yaml", config(MODEL, FILM, "explain: { target: 1000 }"))]);
    expect(target.code).toBe(2);
    expect(target.stderr).toContain(
      ":4:20: explain.target 1000 is not a class of the model, which has 1000; use 0 to 999, or top",
    );
  });

  it("looks at the files that a login names, and shows no nkey", async () => {
    const seed = Buffer.from(nkeys.createUser().getSeed()).toString();
    const sinks = (nats: string) => config().replace(/sinks: .*/, `sinks: [{ kind: nats, ${nats} }]`);
    const bad = await runCli([
      "validate",
      write("login.yaml", sinks("tls: { ca: none.pem }, credentials: none.creds")),
    ]);
    expect(bad.code).toBe(2);
    expect(bad.stderr.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/:3:\d+: sinks\[0\]\.tls\.ca none\.pem does not exist; correct the path$/),
      expect.stringMatching(/:3:\d+: sinks\[0\]\.credentials none\.creds does not exist; correct the path$/),
    ]);
    const good = await runCli(["validate", write("nkey.yaml", sinks(`nkey: ${seed}`))]);
    expect(good.code).toBe(0);
    expect(good.stdout).toContain('nkey: "***"');
    expect(good.stdout).not.toContain(seed);
  });

  it("takes further checks, and orders their faults by the text", async () => {
    const loaded = await loadConfig(write("good.yaml", config()), {});
    const checks = [
      async () => [{ path: "sinks[0].user", message: "sinks[0].user is a stranger" }],
      async () => [{ path: "sources[0].url", message: "sources[0].url is dull" }],
    ];
    await expect(checkConfig(loaded, checks)).rejects.toThrow(
      `${loaded.fileName}:2:29: sources[0].url is dull\n${loaded.fileName}:3:29: sinks[0].user is a stranger`,
    );
    await expect(checkConfig(loaded, [async () => []])).resolves.toBeUndefined();
  });
});
