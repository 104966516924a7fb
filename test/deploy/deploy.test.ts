import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { chartSchema } from "../../scripts/chart-schema.mjs";
import { packages, thirdParty } from "../../scripts/third-party.mjs";
import { configJsonSchema } from "../../src/config/json-schema.js";
import { parseConfig } from "../../src/config/load.js";
import { schemaText } from "../../src/messages/json-schemas.js";
import { CHART, helm, renderAll } from "./helm.js";

/** Helm renders the chart many times, on a machine that may be busy. */
vi.setConfig({ testTimeout: 240_000 });

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name: string) => readFileSync(path.join(root, name), "utf8");
const variable = (name: string): string => `$\{${name}}`;
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
    expect(run).toContain("scripts/setup-cuda.mjs");
    expect(run.filter((file) => !letIn.some((entry) => file === entry || file.startsWith(`${entry}/`)))).toEqual([]);
  });

  it("keeps the engine tfjs, which runs on WebAssembly, and its cache in a folder of the user's", () => {
    const text = instructions.map((words) => words.join(" ")).join("\n");
    const removed = text.match(/node_modules\/@tensorflow\S*/g);
    expect(removed).toEqual(["node_modules/@tensorflow/tfjs-node-gpu"]);
    expect(text).toContain("RUN install -d -o 1000 -g 1000 /cache");
    expect(text).toContain("XDG_CACHE_HOME=/cache");
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

it("THIRD-PARTY.md names all that is installed, with its licence (else: node scripts/third-party.mjs)", () => {
  expect(read("THIRD-PARTY.md")).toBe(thirdParty());
  expect(
    packages().filter(
      ({ licence }) => !/^[\w.() -]*(MIT|ISC|Apache|BSD|LGPL|Unlicense|0BSD|BlueOak|Python|CC)/.test(licence),
    ),
  ).toEqual([]);
});

describe("the compose file", () => {
  const compose = parse(read("deploy/compose.yaml"));

  it("mounts what is in the repository", () => {
    const mounts: string[] = compose.services.worker.volumes;
    const places = mounts.map((mount) => mount.split(":")[0] as string);
    const sources = places.filter((name) => name.startsWith(".")).map((name) => path.join(root, "deploy", name));
    expect(sources.filter((file) => !existsSync(file))).toEqual([]);
    const { context, dockerfile } = compose.services.worker.build;
    expect(existsSync(path.join(root, "deploy", context, dockerfile))).toBe(true);
    // Compiled models take more than a machine wants to give in memory.
    expect(mounts).toContain("cache:/cache");
    expect(Object.keys(compose.volumes)).toContain("cache");
  });

  it("has Prometheus with the alerts, Grafana with the dashboard, and a camera that the worker is told of", () => {
    const { prometheus, grafana, camera, worker } = compose.services;
    const [command, ...rest] = camera.entrypoint.slice(2);
    expect([command, camera.image]).toEqual(["ffmpeg", worker.image]);
    expect(new URL(rest.at(-1))).toMatchObject({
      protocol: "udp:",
      host: `worker:${new URL(worker.environment.CAMERA_URL).port}`,
    });
    const from = (service: { volumes: string[] }) => service.volumes.map((mount) => mount.split(":")[0]!);
    const local = [prometheus, grafana].flatMap(from).filter((name) => name.startsWith("."));
    expect(local.filter((file) => !existsSync(path.join(root, "deploy", file)))).toEqual([]);
    expect(local).toEqual(
      expect.arrayContaining([expect.stringContaining("alerts.yaml"), expect.stringContaining("dashboard.json")]),
    );
    const { scrape_configs, rule_files } = parse(read("deploy/prometheus/prometheus.yaml"));
    expect(rule_files).toEqual(["alerts.yaml"]);
    const config = parseConfig(read("deploy/config.yaml"), "config.yaml", worker.environment);
    expect(scrape_configs[0].static_configs[0].targets).toEqual([`worker:${config.metrics.port}`]);
    expect(config.sources.map(({ url }) => url)).toContain(worker.environment.CAMERA_URL);
    const images = Object.values<{ image: string }>(compose.services).map(({ image }) => image);
    expect(images.filter((image) => !/:v?\d+\.\d+\.\d+/.test(image))).toEqual([]);
  });

  it("names this version and gives the worker longer than it takes to drain", () => {
    expect(compose.services.worker.image).toBe(`video-explainer:${version}`);
    expect(Number.parseInt(compose.services.worker.stop_grace_period, 10)).toBeGreaterThan(10);
  });

  it("has a card for the worker where that is added, in an image with CUDA's libraries", () => {
    const { services } = parse(read("deploy/compose.gpu.yaml"));
    expect(Object.keys(services)).toEqual(["worker"]);
    const { worker } = services;
    expect(worker.image).toBe(`video-explainer:${version}-cuda`);
    expect(read("deploy/Dockerfile")).toContain(`ARG ${Object.keys(worker.build.args)[0]}=no`);
    expect(worker.deploy.resources.reservations.devices).toEqual([
      { driver: "nvidia", count: 1, capabilities: ["gpu"] },
    ]);
    const environment = { ...compose.services.worker.environment, ...worker.environment };
    expect(parseConfig(read("deploy/config.yaml"), "config.yaml", environment).engine.device).toBe("cuda");
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
  const readChart = (file: string): string => readFileSync(path.join(CHART, file), "utf8");
  const values = parse(readChart("values.yaml"));
  const templates = readdirSync(path.join(CHART, "templates")).map((file) => readChart(`templates/${file}`));
  const schema = JSON.parse(readChart("values.schema.json"));
  const check = new Ajv({ strict: false }).compile(schema);
  const isValid = (change: (copy: typeof values) => void) => {
    const copy = structuredClone(values);
    change(copy);
    return check(copy);
  };

  it("is of this version", () => {
    const chart = parse(readChart("Chart.yaml"));
    expect([chart.version, chart.appVersion]).toEqual([version, version]);
  });

  it("has values that fit its schema, and a schema that refuses what would not work", () => {
    expect([check(values), check.errors]).toEqual([true, null]);
    expect(isValid((v) => Object.assign(v.config.metrics, { host: "127.0.0.1" }))).toBe(false);
    expect(isValid((v) => Object.assign(v.config, { metrics: undefined }))).toBe(false);
    expect(isValid((v) => Object.assign(v, { replicas: 2 }))).toBe(false);
    expect(isValid((v) => Object.assign(v, { terminationGracePeriodSeconds: 5 }))).toBe(false);
    expect(isValid((v) => Object.assign(v.viewer, { token: "short" }))).toBe(false);
    expect(isValid((v) => Object.assign(v.image, { digest: "latest" }))).toBe(false);
    expect(isValid((v) => Object.assign(v.gpu, { enabled: true, resource: "nvidia.com/mig-1g.10gb" }))).toBe(true);
    expect(isValid((v) => Object.assign(v.gpu, { resource: "gpu" }))).toBe(false);
    expect(isValid((v) => Object.assign(v.gpu, { count: 0 }))).toBe(false);
    expect(isValid((v) => Object.assign(v.probes.startup, { httpGet: {} }))).toBe(false);
    // The worker starts empty as well, and waits for its first source.
    expect(isValid((v) => Object.assign(v.config, { sources: [] }))).toBe(true);
  });

  it("refuses a key that the worker does not know, and takes a variable where the worker does", () => {
    expect(isValid((v) => Object.assign(v.config, { source: [] }))).toBe(false);
    expect(isValid((v) => Object.assign(v.config.sinks[0], { jetsream: true }))).toBe(false);
    expect(isValid((v) => Object.assign(v.config.sources[0], { fps: -1 }))).toBe(false);
    expect(isValid((v) => Object.assign(v.config.sources[0], { fps: variable("FPS") }))).toBe(true);
    expect(isValid((v) => Object.assign(v.config, { station: `line-${variable("LINE")}` }))).toBe(true);
  });

  it("has the configuration's schema in its own (else: npm run build && node scripts/generate-schemas.mjs)", () => {
    expect(readChart("values.schema.json")).toBe(schemaText(chartSchema(schema, configJsonSchema())));
  });

  it("keeps the live page behind a token and a policy", () => {
    const chart = templates.join("\n");
    expect(chart).toMatch(/name: VIEW_TOKEN\s+valueFrom:\s+secretKeyRef:/);
    expect(values.networkPolicy).toEqual({ enabled: true, metricsFrom: [], viewerFrom: [], egress: [] });
  });

  it("uses no value that has no default, and has no default that nothing uses", () => {
    const used = (of: RegExp) => new Set([...templates.join("\n").matchAll(of)].map((match) => match[1]!));
    // What differs between roles stands beside them for the one, and under `roles.explain` for the other.
    const [all, own] = [used(/\.Values\.(\w+)/g), used(/\$own\.(\w+)/g)];
    const { explain } = values.roles;
    expect([...own].sort()).toEqual(Object.keys(explain).sort());
    const shared = [...own].filter((key) => key in values);
    expect([...new Set([...all, ...shared])].sort()).toEqual(Object.keys(values).sort());
  });
});

interface Pod {
  containers: [
    Record<"startupProbe" | "livenessProbe" | "readinessProbe", object> & {
      image: string;
      ports: object[];
      env: object[];
      envFrom?: { secretRef: { name: string } }[];
    },
  ];
  volumes: object[];
}
interface Deployment {
  spec: { template: { metadata: { annotations: Record<string, string> }; spec: Pod } };
}

/** Documents of one kind, as the chart makes them with these values beside its own. */
const render = <T>(kind: string, values: object = {}): T[] =>
  renderAll<T & { kind: string }>(values).filter((document) => document.kind === kind);

const SPLIT = { config: { fleet: { servers: ["nats://nats:4222"] } }, roles: { split: true } };

describe.skipIf(!helm)("the chart, rendered by Helm", () => {
  const configOf = (values?: object) => {
    const [secret] = render<{ metadata: object; stringData?: Record<string, string> }>("Secret", values);
    return parseConfig(secret!.stringData!["video-explainer.yaml"]!, "values.yaml", { VIEW_TOKEN: "of-the-secret" });
  };
  const podOf = (values?: object) => render<Deployment>("Deployment", values)[0]!.spec.template.spec;
  const cacheOf = (values?: object) =>
    podOf(values).volumes.find((volume) => "name" in volume && volume.name === "cache");

  it("is found without a fault by helm lint", () => {
    expect(execFileSync(helm!, ["lint", CHART, "--strict"], { encoding: "utf8" })).toContain("0 chart(s) failed");
  });

  it("holds a configuration that the worker takes, in a Secret, since it may hold passwords", () => {
    const config = configOf();
    expect(config.metrics.host).toBe("0.0.0.0");
    expect(config.sinks).toContainEqual(expect.objectContaining({ kind: "viewer", token: "of-the-secret" }));
    expect(render("ConfigMap")).toEqual([]);
    // Helm writes such a number with an exponent.
    expect(configOf({ config: { limits: { frameBytes: 6442450944 } } }).limits.frameBytes).toBe(6442450944);
    expect(configOf({ config: { sources: [] } }).sources).toEqual([]);
  });

  it("refuses what the worker would refuse", () => {
    expect(() => render("Secret", { config: { engine: { knid: "auto" } } })).toThrow(/config.engine.*knid/);
  });

  it("starts the worker anew when something is changed that it cannot change while it runs, and only then", () => {
    const sum = (config: object, values = {}) =>
      render<Deployment>("Deployment", { ...values, config })[0]!.spec.template.metadata.annotations["checksum/config"];
    expect(sum({ station: "station-2" })).not.toBe(sum({}));
    expect(sum({ sinks: [{ kind: "nats", prefix: "p" }] })).not.toBe(sum({ sinks: [{ kind: "nats" }] }));
    const live = {
      sources: [],
      explain: { every: 2 },
      overlay: { opacity: 0 },
      warnings: { border: 1 },
      control: { sources: { count: 1 } },
    };
    expect(sum(live)).toBe(sum({}));
    expect(sum({ sinks: [{ kind: "nats", only: { below: 0.5 } }] })).toBe(sum({ sinks: [{ kind: "nats" }] }));
  });

  it("gives workers that explain no camera, no sink and no credentials but those of NATS", () => {
    const values = { ...SPLIT, secrets: { cameras: "cams", nats: "login", natsFiles: "files" } };
    const [capture, explain] = render<Deployment>("Deployment", values).map(({ spec }) => spec.template.spec);
    const from = (pod: Pod) => pod.containers[0].envFrom?.map(({ secretRef }) => secretRef.name);
    expect([from(capture!), from(explain!)]).toEqual([["login", "cams"], ["login"]]);
    expect(JSON.stringify(explain)).not.toContain("VIEW_TOKEN");
    expect(JSON.stringify(explain)).toContain("/secrets/nats");
    const configs = render<{ stringData?: Record<string, string> }>("Secret", values).flatMap(
      ({ stringData }) => stringData?.["video-explainer.yaml"] ?? [],
    );
    const read = configs.map((text) => parseConfig(text, "values.yaml", { VIEW_TOKEN: "of-the-secret" }));
    expect(read.map(({ role, sources, sinks }) => [role, sources.length, sinks.length])).toEqual([
      ["capture", 1, 2],
      ["explain", 0, 0],
    ]);
    for (const { fleet } of read) expect(fleet.servers).toEqual(SPLIT.config.fleet.servers);
    // The worker's own default is an address within the pod.
    expect(() => render("Secret", { roles: { split: true } })).toThrow(/config.fleet.servers is missing/);
    expect(render("Secret")).not.toEqual(expect.arrayContaining([expect.stringContaining("role")]));
  });

  it("has what selects the worker not select those that explain", () => {
    const values = SPLIT;
    interface Selecting {
      spec: { selector: Record<string, string> };
    }
    const selectors = render<Selecting>("Service", values).map(({ spec }) => spec.selector["app.kubernetes.io/name"]);
    expect(selectors.sort()).toEqual(["video-explainer", "video-explainer-explain"]);
  });

  it("leaves the number of workers to KEDA where that scales them, by how busy their engines are", () => {
    const autoscaling = { enabled: true, serverAddress: "http://prometheus:9090", busy: 0.6 };
    const values = { ...SPLIT, roles: { split: true, explain: { autoscaling } } };
    const [, explain] = render<{ spec: object }>("Deployment", values);
    expect(explain!.spec).not.toHaveProperty("replicas");
    expect(render("ScaledObject", values)).toEqual([
      expect.objectContaining({
        spec: expect.objectContaining({
          triggers: [
            {
              type: "prometheus",
              metricType: "AverageValue",
              metadata: {
                serverAddress: "http://prometheus:9090",
                query:
                  'sum(rate(video_explainer_engine_busy_seconds_total{namespace="line", service="cell-video-explainer-explain"}[1m]))',
                threshold: "0.6",
                ignoreNullValues: "false",
              },
            },
          ],
        }),
      }),
    ]);
    expect(() =>
      render("ScaledObject", { ...SPLIT, roles: { split: true, explain: { autoscaling: { enabled: true } } } }),
    ).toThrow(/serverAddress is missing/);
  });

  it("asks the metrics port how the worker is, as often as the values say", () => {
    const { startupProbe, livenessProbe, readinessProbe } = podOf({ probes: { startup: { failureThreshold: 300 } } })
      .containers[0];
    expect(startupProbe).toMatchObject({ httpGet: { path: "/healthz", port: "metrics" }, failureThreshold: 300 });
    expect(livenessProbe).toMatchObject({ httpGet: { path: "/healthz", port: "metrics" }, failureThreshold: 3 });
    expect(readinessProbe).toMatchObject({ httpGet: { path: "/readyz", port: "metrics" }, periodSeconds: 5 });
  });

  it("opens the port of the first live page where there are several", () => {
    const page = (port: number) => ({ kind: "viewer", host: "0.0.0.0", port, token: variable("VIEW_TOKEN") });
    const { ports } = podOf({ config: { sinks: [page(8080), page(8081)] } }).containers[0];
    expect(ports).toEqual([
      { name: "metrics", containerPort: 9090 },
      { name: "http", containerPort: 8080 },
    ]);
  });

  it("keeps compiled models in a volume of their own, of which they take half", () => {
    expect(configOf().engine.cacheBytes).toBe(2 * 1024 ** 3);
    expect(configOf({ cache: { size: "500Mi" } }).engine.cacheBytes).toBe(250 * 1024 ** 2);
    expect(configOf({ config: { engine: { cacheBytes: 1000 } } }).engine.cacheBytes).toBe(1000);
    expect(() => configOf({ config: { engine: { cacheBytes: 4 * 1024 ** 3 } } })).toThrow(/leaves no room/);
    expect(podOf().containers[0].env).toContainEqual({ name: "XDG_CACHE_HOME", value: "/cache" });
    expect(cacheOf()).toEqual({ name: "cache", emptyDir: { sizeLimit: "4Gi" } });
  });

  it("lets compiled models outlive the pod where that is wanted", () => {
    const values = { cache: { persistent: true, storageClassName: "fast" } };
    const claimName = "cell-video-explainer-cache";
    expect(cacheOf(values)).toEqual({ name: "cache", persistentVolumeClaim: { claimName } });
    expect(render("PersistentVolumeClaim", values)).toEqual([
      expect.objectContaining({
        metadata: expect.objectContaining({ name: claimName }),
        spec: {
          accessModes: ["ReadWriteOnce"],
          storageClassName: "fast",
          resources: { requests: { storage: "4Gi" } },
        },
      }),
    ]);
    const own = { cache: { persistent: true, existingClaim: "mine" } };
    expect(cacheOf(own)).toEqual({ name: "cache", persistentVolumeClaim: { claimName: "mine" } });
    expect(render("PersistentVolumeClaim", own)).toEqual([]);
  });

  it("asks for a card, and goes where cards are, only where that is wanted", () => {
    const pod = podOf({ gpu: { enabled: true, resource: "nvidia.com/gpu.shared" }, tolerations: [{ key: "line" }] });
    expect(pod.containers[0]).toMatchObject({ resources: { limits: { "nvidia.com/gpu.shared": 1, memory: "2Gi" } } });
    expect(pod).toHaveProperty("tolerations", [
      { key: "line" },
      { key: "nvidia.com/gpu.shared", operator: "Exists", effect: "NoSchedule" },
    ]);
    expect(podOf()).not.toHaveProperty("tolerations");
    expect(JSON.stringify(podOf())).not.toContain("nvidia.com");
  });

  it("passes on what a cluster wants of a pod", () => {
    const wanted = {
      serviceAccountName: "explainer",
      priorityClassName: "line",
      runtimeClassName: "nvidia",
      topologySpreadConstraints: [{ maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" }],
    };
    const digest = `sha256:${"0a".repeat(32)}`;
    const pod = podOf({ ...wanted, image: { digest } });
    expect(pod).toMatchObject(wanted);
    expect(pod.containers[0].image).toBe(`video-explainer:${version}@${digest}`);
    expect(podOf()).not.toHaveProperty("runtimeClassName");
    expect(pod.containers[0]).toHaveProperty(["resources", "requests", "ephemeral-storage"]);
  });
});
