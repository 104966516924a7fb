// Which wheels `npm run setup:cuda` needs, and what a machine has already. Nothing here is fetched or loaded.
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

export const PROVIDER_WHEEL = "onnxruntime-gpu";

/** Of each wheel: what is fetched and what stays of it, in MiB on x86-64, rounded up; so that a full disk is found out before. */
const MIB = {
  "onnxruntime-gpu": [236, 290],
  "nvidia-cuda-runtime": [3, 1],
  "nvidia-cublas": [404, 569],
  "nvidia-curand": [57, 127],
  "nvidia-cuda-nvrtc": [87, 109],
  "nvidia-cudnn-cu13": [350, 471],
};

/**
 * The wheels of scripts/wheels.txt.
 * @returns {Record<string, { version: string, hashes: string[] }>}
 */
export function pins(text) {
  const found = {};
  for (const [, name, version, rest] of text.matchAll(/^([\w.-]+)==(\S+)((?: \\\n +--hash=sha256:[0-9a-f]{64})+)/gm))
    found[name] = { version, hashes: [...rest.matchAll(/sha256:([0-9a-f]{64})/g)].map((match) => match[1]) };
  return found;
}

/**
 * What pip is to fetch of a wheel. The provider must be of the very version of onnxruntime-node; where no checksum of that
 * is known here, `hashes` is empty, and what the registry gives is what pip checks.
 */
export function requirement(name, onnxruntime, known) {
  const pin = known[name];
  if (name === PROVIDER_WHEEL && pin?.version !== onnxruntime) return { name, version: onnxruntime, hashes: [] };
  if (pin === undefined) throw new Error(`scripts/wheels.txt does not name ${name}`);
  return { name, ...pin };
}

/** A line of pip's requirements. */
export const requirementLine = ({ name, version, hashes }) =>
  [`${name}==${version}`, ...hashes.map((hash) => `--hash=sha256:${hash}`)].join(" ");

/** Each wheel once that holds a library which is not there. */
export const wheelsFor = (libraries, there) => [
  ...new Set(libraries.filter(({ soname, wheel }) => wheel && !(soname in there)).map(({ wheel }) => wheel)),
];

/** Tags of wheels that this processor's Linux may run; which glibc it has shows when they are loaded. */
export function platforms(arch) {
  const machine = arch === "x64" ? "x86_64" : "aarch64";
  const tags = ["2_34", "2_28", "2_27", "2_17", ...(arch === "x64" ? ["2_12"] : [])];
  const old = arch === "x64" ? ["manylinux2014", "manylinux2010"] : ["manylinux2014"];
  return [...tags.map((tag) => `manylinux_${tag}`), ...old].map((tag) => `${tag}_${machine}`);
}

/** What a set-up takes on the disk at its most: all that stays, and the largest wheel beside it. */
export const bytesNeeded = (wheels) =>
  2 ** 20 * (wheels.reduce((sum, name) => sum + MIB[name][1], 0) + Math.max(0, ...wheels.map((name) => MIB[name][0])));

/** Names of a wheel's files that are taken: libraries, without those that the program never loads, and licences. */
export const KEPT = {
  library: String.raw`libonnxruntime_providers_(cuda|tensorrt|shared)\.so|lib(cudart|cublas|cublasLt|curand|nvrtc|nvrtc-builtins|cudnn\w*)\.so\.[\d.]+`,
  licence: "(.*dist-info/.*|onnxruntime/)(LICEN[CS]E|License|ThirdPartyNotices)[^/]*",
};

/** Folders that `ldconfig -p` names for a library: `{ soname: path }`, the first of each. */
export function fromLdconfig(text) {
  const found = {};
  for (const [, soname, file] of text.matchAll(/^\s*(\S+) \(.*\) => (\/\S+)$/gm)) found[soname] ??= file;
  return found;
}

const folders = (parent, name) => {
  try {
    return readdirSync(parent)
      .sort()
      .reverse()
      .filter((entry) => name.test(entry))
      .map((entry) => path.join(parent, entry));
  } catch {
    return [];
  }
};

/**
 * Where CUDA and TensorRT lie that somebody installed: newest first, NVIDIA's own packages before those of Python.
 * @param {{ local?: string, sites?: string[] }} options
 */
export function libraryFolders({ local = "/usr/local", sites = [] } = {}) {
  const cuda = folders(local, /^cuda(-[\d.]+)?$/).flatMap((root) => [
    path.join(root, "lib64"),
    ...folders(path.join(root, "targets"), /-linux$/).map((target) => path.join(target, "lib")),
  ]);
  const python = sites.flatMap((site) => [
    ...folders(path.join(site, "nvidia"), /./).map((name) => path.join(name, "lib")),
    path.join(site, "tensorrt_libs"),
  ]);
  return [...cuda, ...python].filter(existsSync);
}

/** Of each library that lies somewhere, its places, best first. */
export function candidates(libraries, known, places) {
  return Object.fromEntries(
    libraries.map(({ soname }) => {
      const files = places.map((folder) => path.join(folder, soname)).filter((file) => existsSync(file));
      return [soname, [...new Set([...files, ...(soname in known ? [known[soname]] : [])])]];
    }),
  );
}
