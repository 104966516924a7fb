import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.js";
import { resolvedYaml } from "../../src/config/resolved.js";
import { ConfigError } from "../../src/errors.js";

const VALID = `model: { path: m.onnx }
sources:
  - name: cam
    url: "rtsp://viewer:hunter2@10.0.0.5/stream?token=hunter3"
    inputOptions: ["-headers", "Authorization: Basic aHVudGVyNA==", "-rtsp_flags", prefer_tcp]
sinks:
  - { kind: nats, servers: ["nats://u:hunter5@h:4222"] }
  - { kind: nats, prefix: b, user: worker, password: hunter6 }
  - { kind: nats, prefix: c, token: hunter7 }
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "config-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

async function refusal(path: string): Promise<string> {
  try {
    await loadConfig(path, {});
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(folder, "DIR");
    throw error;
  }
  return "";
}

describe("loading a configuration file", () => {
  it("gives the configuration, its folder, its text and where each part stands", async () => {
    const path = file("valid.yaml", VALID);
    const loaded = await loadConfig(path, {});
    expect(loaded.config.sources[0]!.name).toBe("cam");
    expect(loaded.baseDir).toBe(resolve(folder));
    expect(loaded.text).toBe(VALID);
    expect(loaded.locate("sources[0].url")).toEqual({ line: 4, column: 10 });
    expect(loaded.locate("sinks[1].password")).toEqual({ line: 8, column: 54 });
    expect(loaded.locate("metrics.port")).toEqual({ line: 1, column: 1 });
  });

  it("refuses what is no configuration in one sentence each", async () => {
    mkdirSync(join(folder, "sub"));
    symlinkSync(join(folder, "loop"), join(folder, "loop"));
    const large = file("large.yaml", "");
    truncateSync(large, 100 * 1024 * 1024);
    const cases: [path: string, sentence: string][] = [
      ["missing.yaml", "DIR/missing.yaml does not exist; give the path of a YAML configuration"],
      ["sub", "DIR/sub is a folder; give the YAML file in it"],
      [
        "large.yaml/x",
        "DIR/large.yaml/x does not exist, since a part of its path is not a folder; give the path of a YAML configuration",
      ],
      ["loop", "DIR/loop is a symbolic link that leads back to itself; give the file itself"],
      ["large.yaml", "DIR/large.yaml is larger than 1 MiB; a configuration is a short YAML file"],
    ];
    for (const [name, sentence] of cases) expect(await refusal(join(folder, name))).toBe(sentence);
    expect(await refusal(file("x.mp4", new Uint8Array([0, 0, 0, 32, 102, 116, 0xff, 0xfe])))).toBe(
      "DIR/x.mp4 is not UTF-8 text; save it as a YAML file in UTF-8",
    );
    expect(await refusal(file("nul.yaml", "a: \0"))).toBe("DIR/nul.yaml is not text but binary data; give a YAML file");
    expect(await refusal("/dev/zero")).toBe("/dev/zero is larger than 1 MiB; a configuration is a short YAML file");
    expect(await refusal("")).toBe("an empty path does not exist; give the path of a YAML configuration");
  });

  it("reads a pipe as well", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const writing = import("node:fs/promises").then((fs) => fs.writeFile(pipe, VALID));
    expect((await loadConfig(pipe, {})).config.station).toBe("station");
    await writing;
  });
});

describe("the resolved configuration", () => {
  it("is a valid configuration with all defaults and without any secret", async () => {
    const loaded = await loadConfig(file("valid.yaml", VALID), {});
    const yaml = resolvedYaml(loaded.config);
    expect(yaml).not.toMatch(/hunter\d|aHVudGVy/);
    expect(yaml).toContain("stallSeconds: 10");
    expect(yaml).toContain('password: "***"');
    const again = await loadConfig(file("again.yaml", yaml), {});
    expect(again.config.explain).toEqual(loaded.config.explain);
    expect(resolvedYaml(again.config)).toBe(yaml);
  });
});
