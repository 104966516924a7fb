import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { parseConfig } from "../../src/config/load.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name: string) => readFileSync(path.join(root, name), "utf8");
const CHART = "deploy/helm/video-explainer";
const version: string = JSON.parse(read("package.json")).version;

describe("the Dockerfile", () => {
  const instructions = read("deploy/Dockerfile")
    .replace(/^\s*#.*\n/gm, "")
    .replace(/\\\n/g, " ")
    .split("\n")
    .filter(Boolean)
    .map((line) => line.trim().split(/\s+/));
  const copies = instructions.filter(([name]) => name === "COPY").map((words) => words.slice(1));
  const fromContext = copies.filter((words) => !words.some((word) => word.startsWith("--from")));

  it("copies what is in the repository", () => {
    const missing = fromContext
      .flatMap((words) => words.slice(0, -1))
      .filter((file) => !existsSync(path.join(root, file)));
    expect(missing).toEqual([]);
  });

  it("copies nothing that .dockerignore holds back", () => {
    const letIn = read(".dockerignore")
      .split("\n")
      .flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []));
    const kept = (file: string) =>
      letIn.some((entry) => `${entry}/`.startsWith(file) || entry === file.replace(/\/$/, ""));
    expect(fromContext.flatMap((words) => words.slice(0, -1)).filter((file) => !kept(file))).toEqual([]);
    const gone = letIn.filter((entry) => !entry.includes("*") && !existsSync(path.join(root, entry)));
    expect(gone).toEqual([]);
    // What a step runs must be let in as well.
    const run = instructions.join(" ").match(/scripts\/[\w.-]+/g)!;
    expect(run).toContain("scripts/setup-openvino.sh");
    expect(run.filter((file) => !letIn.some((entry) => file === entry || file.startsWith(`${entry}/`)))).toEqual([]);
  });

  it("ends as a user other than root, with a signal handler in front of Node and a health check", () => {
    const last = (name: string) =>
      instructions
        .filter(([first]) => first === name)
        .at(-1)
        ?.join(" ");
    expect(last("USER")).toMatch(/^USER [1-9]\d*/);
    expect(last("ENTRYPOINT")).toMatch(/^ENTRYPOINT \["tini", "--", "node"/);
    expect(last("HEALTHCHECK")).toContain("/healthz");
  });
});

describe("the compose file", () => {
  const compose = parse(read("deploy/compose.yaml"));

  it("mounts what is in the repository", () => {
    const mounts: string[] = compose.services.worker.volumes;
    const sources = mounts.map((mount) => path.join(root, "deploy", mount.split(":")[0] as string));
    expect(sources.filter((file) => !existsSync(file))).toEqual([]);
    const { context, dockerfile } = compose.services.worker.build;
    expect(existsSync(path.join(root, "deploy", context, dockerfile))).toBe(true);
  });

  it("names this version and gives the worker longer than it takes to drain", () => {
    expect(compose.services.worker.image).toBe(`video-explainer:${version}`);
    expect(Number.parseInt(compose.services.worker.stop_grace_period, 10)).toBeGreaterThan(10);
  });

  it("brings a configuration that is valid and listens where the ports lead", () => {
    const config = parseConfig(read("deploy/config.yaml"), "config.yaml", compose.services.worker.environment);
    const viewer = config.sinks.find((sink) => sink.kind === "viewer");
    const published = compose.services.worker.ports.map((port: string) => Number(port.split(":").at(-1)));
    expect(published).toEqual([viewer?.port, config.metrics.port]);
    expect([viewer?.host, config.metrics.host]).toEqual(["0.0.0.0", "0.0.0.0"]);
    const { NATS_TOKEN } = compose.services.worker.environment;
    expect(config.sinks).toContainEqual(
      expect.objectContaining({ kind: "nats", servers: ["nats://nats:4222"], token: NATS_TOKEN }),
    );
    expect(compose.services.nats.command).toContain(NATS_TOKEN);
  });
});

describe("the Helm chart", () => {
  const values = parse(read(`${CHART}/values.yaml`));
  const templates = readdirSync(path.join(root, CHART, "templates")).map((file) => read(`${CHART}/templates/${file}`));

  it("is of this version", () => {
    const chart = parse(read(`${CHART}/Chart.yaml`));
    expect([chart.version, chart.appVersion]).toEqual([version, version]);
  });

  it("has values that fit its schema, and a schema that refuses what would not work", () => {
    const check = new Ajv({ strict: false }).compile(JSON.parse(read(`${CHART}/values.schema.json`)));
    expect([check(values), check.errors]).toEqual([true, null]);
    const changed = (change: (copy: typeof values) => void) => {
      const copy = structuredClone(values);
      change(copy);
      return check(copy);
    };
    expect(changed((v) => Object.assign(v.config.metrics, { host: "127.0.0.1" }))).toBe(false);
    expect(changed((v) => Object.assign(v, { replicas: 2 }))).toBe(false);
    expect(changed((v) => Object.assign(v, { terminationGracePeriodSeconds: 5 }))).toBe(false);
    expect(changed((v) => Object.assign(v.viewer, { token: "short" }))).toBe(false);
    // The worker starts empty as well, and waits for its first source.
    expect(changed((v) => Object.assign(v.config, { sources: [] }))).toBe(true);
  });

  it("renders a configuration that the worker takes", () => {
    const config = parseConfig(stringify(values.config), "values.yaml", { VIEW_TOKEN: "of-the-secret" });
    expect(config.metrics.host).toBe("0.0.0.0");
    expect(config.sinks).toContainEqual(expect.objectContaining({ kind: "viewer", token: "of-the-secret" }));
    const probed = templates.join("\n").match(/path: (\/\w+), port: metrics/g);
    expect(probed).toEqual([
      "path: /healthz, port: metrics",
      "path: /healthz, port: metrics",
      "path: /readyz, port: metrics",
    ]);
  });

  it("keeps the configuration, which may hold passwords, in a Secret, and the live page behind a token and a policy", () => {
    const chart = templates.join("\n");
    expect(chart).not.toContain("kind: ConfigMap");
    expect(chart).toMatch(/kind: Secret\n(.*\n)*? {2}video-explainer\.yaml: \|/);
    expect(chart).toMatch(/name: VIEW_TOKEN\s+valueFrom:\s+secretKeyRef:/);
    expect(values.networkPolicy).toEqual({ enabled: true, metricsFrom: [], viewerFrom: [] });
  });

  it("uses no value that has no default, and has no default that nothing uses", () => {
    const used = new Set([...templates.join("\n").matchAll(/\.Values\.(\w+)/g)].map((match) => match[1]));
    expect([...used].sort()).toEqual(Object.keys(values).sort());
  });
});
