import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { helmProgram, KUBERNETES } from "../../scripts/deploy-tools.mjs";
import { ROOT } from "../e2e/worker.js";

export const CHART = path.join(ROOT, "deploy/helm/video-explainer");
export const helm = helmProgram();
if (!helm) console.log("no Helm here: npm test fetches it on x86-64 Linux, and the chart is rendered");

export interface Rendered {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
}

/** The text of helm, by version and values. */
const rendered = new Map<string, string>();

/** All that `helm template` makes with these values beside the chart's own. */
export function renderAll<T = Rendered>(values: object = {}, version = KUBERNETES[0]!): T[] {
  const key = `${version} ${JSON.stringify(values)}`;
  const text = rendered.get(key) ?? template(values, version);
  rendered.set(key, text);
  return parseAllDocuments(text).flatMap((document) => document.toJS() ?? []);
}

function template(values: object, version: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), "helm-"));
  try {
    const file = path.join(folder, "values.yaml");
    writeFileSync(file, stringify(values));
    const args = ["template", "cell", CHART, "--namespace", "line", "--kube-version", `${version}.0`, "--values", file];
    return execFileSync(helm!, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
