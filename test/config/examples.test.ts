import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.js";

const folder = fileURLToPath(new URL("../../config", import.meta.url));
const files = [
  "demo.yaml",
  ...readdirSync(path.join(folder, "examples"))
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => `examples/${name}`),
];
const environment = { CAMERA_USER: "viewer", CAMERA_PASSWORD: "p@ss:w/ord" };

describe("example configurations", () => {
  it.each(files)("%s is valid, and the model and films it names are there", (name) => {
    const file = path.join(folder, name);
    const config = parseConfig(readFileSync(file, "utf8"), name, environment);
    const local = config.sources.map((source) => source.url).filter((url) => url.startsWith("."));
    for (const relative of [config.model.path, ...local]) {
      expect(existsSync(path.resolve(path.dirname(file), relative)), relative).toBe(true);
    }
  });

  it("the demo takes its ports and its server from the environment", () => {
    const text = readFileSync(path.join(folder, "demo.yaml"), "utf8");
    const given = { NATS_URL: "nats://127.0.0.1:4333", VIEWER_PORT: "8181", METRICS_PORT: "9191" };
    const config = parseConfig(text, "demo.yaml", given);
    expect(config.metrics.port).toBe(9191);
    expect(config.sinks).toContainEqual(expect.objectContaining({ kind: "viewer", port: 8181 }));
    expect(config.sinks).toContainEqual(expect.objectContaining({ kind: "nats", servers: ["nats://127.0.0.1:4333"] }));
    expect(config.sources[0]).toMatchObject({ name: "bottles", region: { x: 370, y: 80, width: 270, height: 270 } });
  });
});
