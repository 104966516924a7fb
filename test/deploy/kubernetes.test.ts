import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it, vi } from "vitest";
import { KUBERNETES, kubernetesSchemas } from "../../scripts/deploy-tools.mjs";
import { helm, type Rendered, renderAll } from "./helm.js";

const fleet = { servers: ["nats://nats:4222"] };
const autoscaling = { enabled: true, serverAddress: "http://prometheus.monitoring:9090" };

/** Helm renders the chart many times, on a machine that may be busy. */
vi.setConfig({ testTimeout: 240_000 });

/** What may be asked of the chart; each is rendered whole. */
const VALUES: Record<string, object> = {
  "the chart's own values": {},
  "all that can be turned on": {
    config: { fleet },
    roles: { split: true, explain: { autoscaling, nodeSelector: { card: "l4" }, tolerations: [{ key: "card" }] } },
    serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
    prometheusRule: { enabled: true, labels: { release: "prometheus" } },
    dashboard: { enabled: true },
    podDisruptionBudget: { enabled: true, maxUnavailable: 1 },
    gpu: { enabled: true, resource: "nvidia.com/mig-1g.10gb" },
    secrets: { cameras: "cameras", nats: "nats-login", natsFiles: "nats-files" },
    cache: { persistent: true, storageClassName: "fast" },
    networkPolicy: {
      metricsFrom: [{ namespaceSelector: { matchLabels: { name: "monitoring" } } }],
      viewerFrom: [{ podSelector: {} }],
      egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8" } }], ports: [{ port: 4222 }] }],
    },
    service: { type: "LoadBalancer", annotations: { a: "b" } },
    env: [{ name: "CAMERA", valueFrom: { secretKeyRef: { name: "c", key: "k" } } }],
    envFrom: [{ configMapRef: { name: "more" } }],
    imagePullSecrets: [{ name: "registry" }],
    volumes: [{ name: "models", persistentVolumeClaim: { claimName: "models" } }],
    volumeMounts: [{ name: "models", mountPath: "/models" }],
    nodeSelector: { line: "3" },
    tolerations: [{ key: "line", operator: "Exists" }],
    affinity: { nodeAffinity: {} },
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule", labelSelector: {} },
    ],
    podAnnotations: { a: "b" },
    podLabels: { team: "line" },
    serviceAccountName: "explainer",
    priorityClassName: "line",
    runtimeClassName: "nvidia",
  },
  "roles without autoscaling": { config: { fleet }, roles: { split: true } },
  "no policy, no page, a token of one's own": {
    networkPolicy: { enabled: false },
    config: { sinks: [{ kind: "nats" }] },
    viewer: { token: "of-one's-own" },
  },
};

/** Kinds that come with an operator, and the version of theirs that is meant. */
const OTHERS: Record<string, string> = {
  ServiceMonitor: "monitoring.coreos.com/v1",
  PrometheusRule: "monitoring.coreos.com/v1",
  ScaledObject: "keda.sh/v1alpha1",
};

const isHere = KUBERNETES.every((version) => existsSync(kubernetesSchemas(version)));
if (!isHere) console.log("no schemas of Kubernetes here: npm test fetches them");

/** What one version of Kubernetes finds wrong with documents: kinds and versions that it does not have, unknown and wrong keys. */
function validatorOf(version: string) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  const read = (file: string) => JSON.parse(readFileSync(path.join(kubernetesSchemas(version), file), "utf8"));
  ajv.addSchema(read("_definitions.json"), "/api/_definitions.json");
  return ({ apiVersion, kind, ...rest }: Rendered): string[] => {
    if (OTHERS[kind]) return OTHERS[kind] === apiVersion ? [] : [`${kind} is of ${OTHERS[kind]}, not ${apiVersion}`];
    const file = `${[kind, ...apiVersion.replace(/\.k8s\.io/, "").split("/")].join("-").toLowerCase()}.json`;
    if (/alpha|beta/.test(apiVersion) || !existsSync(path.join(kubernetesSchemas(version), file)))
      return [`Kubernetes ${version} has no lasting ${apiVersion} ${kind}`];
    const isValid = ajv.getSchema(`/api/${file}`) ?? ajv.compile({ ...read(file), $id: `/api/${file}` });
    if (isValid({ apiVersion, kind, ...rest })) return [];
    return (isValid.errors ?? []).map(({ instancePath, message, params }) =>
      [kind, rest.metadata.name, instancePath, message, JSON.stringify(params)].join(" "),
    );
  };
}

describe.skipIf(!helm || !isHere).each(KUBERNETES)("Kubernetes %s", (version) => {
  const faultsOf = isHere ? validatorOf(version) : () => [];

  it("takes all that the chart makes, whatever the values", () => {
    for (const [name, values] of Object.entries(VALUES)) {
      const documents = renderAll(values, version);
      expect(documents.length, name).toBeGreaterThan(2);
      expect(documents.flatMap(faultsOf), name).toEqual([]);
    }
    const kinds = new Set(renderAll(VALUES["all that can be turned on"], version).map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual([
      "ConfigMap",
      "Deployment",
      "NetworkPolicy",
      "PersistentVolumeClaim",
      "PodDisruptionBudget",
      "PrometheusRule",
      "ScaledObject",
      "Secret",
      "Service",
      "ServiceMonitor",
    ]);
  });

  it("would not take a version that is gone, an unknown key, or a number where text must be", () => {
    const budget: Rendered = { apiVersion: "policy/v1beta1", kind: "PodDisruptionBudget", metadata: { name: "old" } };
    expect(faultsOf(budget)).toEqual([`Kubernetes ${version} has no lasting policy/v1beta1 PodDisruptionBudget`]);
    const service = renderAll({}, version).find(({ kind }) => kind === "Service")!;
    expect(faultsOf({ ...service, ...{ spec: { selectr: {} } } })[0]).toContain("selectr");
    expect(faultsOf({ ...service, ...{ spec: { type: 3 } } })[0]).toContain("type");
  });
});
