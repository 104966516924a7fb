/**
 * Fetches onnxruntime's provider for CUDA and the libraries of CUDA that it loads from their wheels on PyPI, 1.2 GB, of which
 * 1.7 GB stay unpacked: `engine.device: cuda`. They go into video-explainer/cuda of the user's cache folder, where the next
 * installation finds them too; nothing is compiled, and node_modules stays as it is. What the machine has of CUDA already (an
 * installed CUDA, PyTorch's packages in python3) is used where it lies. Without a graphics card all is fetched and checked
 * that needs none. What was cut short goes on with the wheel it had come to.
 *
 *   npm run setup:cuda
 *   npm run setup:tensorrt    `engine.device: tensorrt`: the same, and TensorRT 10, which must be installed
 *
 * Needs python3 with pip. Linux, x86-64 and arm64. CUDA_LIBRARIES names another folder, where the program looks too when it is
 * set; CUDA_FETCH=all uses nothing that the machine has.
 */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { fetchWheel } from "./cuda-fetch.mjs";
import {
  bytesNeeded,
  candidates,
  fromLdconfig,
  libraryFolders,
  PROVIDER_WHEEL,
  pins,
  requirement,
  wheelsFor,
} from "./cuda-wheels.mjs";
import { SetupError } from "./setup.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);
const say = (line) => console.log(`- ${line}`);
const DONE = ".wheels.json";

const die = (sentence) => {
  throw new SetupError(sentence);
};

async function setup(device) {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch))
    die(`CUDA is set up on Linux alone, on x86-64 and arm64; this is ${process.platform} on ${process.arch}.`);
  for (const name of ["onnxruntime-node", "koffi"])
    if (!existsSync(path.join(root, "node_modules", name)))
      die(`The package ${name} is not in node_modules; run npm ci.`);
  await built();
  const ours = await import("../dist/explain/engines/providers/libraries.js");
  const target = ours.providersFolder() ?? die("CUDA_LIBRARIES is off; unset it, or name a folder.");
  const version = require("onnxruntime-node/package.json").version;
  const before = ours.readSetup(target);
  if (!before || before.onnxruntime !== version || !before.providers.includes(device) || !(await loads(device, target)))
    await fetchAll(device, target, version, before, ours);
  await verify(device, target, version);
}

/** The program tells where its libraries belong and loads them, so it must be there. */
async function built() {
  if (existsSync(path.join(root, "dist/explain/engines/providers/providers.js"))) return;
  say("building");
  const { status } = spawnSync("npm", ["run", "build"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) die("The build failed; what went wrong is above.");
}

async function loads(device, target) {
  const { loadProviderLibraries } = await import("../dist/explain/engines/providers/providers.js");
  try {
    loadProviderLibraries(device, target);
    return true;
  } catch {
    return false;
  }
}

async function fetchAll(device, target, version, before, ours) {
  // What this script has not put there is somebody else's.
  if (!before && existsSync(target) && readdirSync(target).length > 0)
    die(`${target} holds other files; name another folder in CUDA_LIBRARIES.`);
  const libraries = ours.librariesOf(device);
  const elsewhere = process.env.CUDA_FETCH === "all" ? {} : await alreadyThere(libraries);
  for (const [soname, file] of Object.entries(elsewhere)) say(`${soname} is there: ${file}`);
  const without = libraries.filter(({ soname, wheel }) => !wheel && !(soname in elsewhere));
  if (without.length > 0) {
    const names = without.map(({ soname }) => soname).join(" and ");
    die(
      `TensorRT 10 for CUDA 13 is not installed (${names}), and PyPI holds only packages that fetch it from elsewhere; install NVIDIA's packages of it, or python3 -m pip install "tensorrt-cu13<11", and run this again.`,
    );
  }
  const known = pins(readFileSync(path.join(root, "scripts/wheels.txt"), "utf8"));
  const wheels = [PROVIDER_WHEEL, ...wheelsFor(libraries, elsewhere)].map((name) => requirement(name, version, known));

  // Beside the target, so that one renaming puts all of it into place; it stays when this is cut short.
  const scratch = path.join(path.dirname(target), ".fetch");
  const libs = path.join(scratch, "libs");
  mkdirSync(libs, { recursive: true, mode: 0o755 });
  alone(scratch);
  const done = { ...taken(target, libs), ...read(path.join(scratch, DONE)) };
  const left = wheels.filter(({ name, version: v }) => done[name]?.version !== v);
  const room = statfsSync(scratch);
  const [free, needed] = [room.bavail * room.bsize, bytesNeeded(left.map(({ name }) => name))];
  if (free < needed)
    die(
      `${scratch} has ${gib(free)} GB left and ${gib(needed)} GB are needed; make room, or name another folder in CUDA_LIBRARIES.`,
    );
  if (left.length > 0 && spawnSync("python3", ["-m", "pip", "--version"], { stdio: "ignore" }).status !== 0)
    die("python3 with pip is needed to fetch CUDA; run: sudo apt-get install -y python3-pip");
  left.forEach((wheel, k) => {
    done[wheel.name] = {
      version: wheel.version,
      files: fetchWheel(wheel, scratch, libs, `${k + 1} of ${left.length}`),
    };
    writeFileSync(path.join(scratch, DONE), JSON.stringify(done));
  });

  const wanted = new Set(wheels.flatMap(({ name }) => done[name].files));
  for (const file of readdirSync(libs)) if (!wanted.has(file)) rmSync(path.join(libs, file));
  // onnxruntime looks for providers beside itself.
  const { RUNTIME_FILE, SETUP_FILE } = ours;
  copyFileSync(runtimeOf(RUNTIME_FILE), path.join(libs, RUNTIME_FILE));
  const providers = [...new Set([...(before?.providers ?? []), device])];
  const setup = {
    onnxruntime: version,
    providers,
    elsewhere,
    wheels: Object.fromEntries(wheels.map(({ name }) => [name, done[name]])),
  };
  writeFileSync(path.join(libs, SETUP_FILE), JSON.stringify(setup, null, 1));
  rmSync(target, { recursive: true, force: true });
  renameSync(libs, target);
  rmSync(scratch, { recursive: true, force: true });
}

const gib = (bytes) => (bytes / 1e9).toFixed(1);

function runtimeOf(name) {
  const bin = path.join(root, "node_modules/onnxruntime-node/bin");
  const folder =
    readdirSync(bin).find((entry) => entry.startsWith("napi-")) ?? die(`${bin} holds no onnxruntime; run npm ci.`);
  return path.join(bin, folder, "linux", process.arch, name);
}

/** Two at once would take each other's files. */
function alone(scratch) {
  const file = path.join(scratch, ".pid");
  const other = existsSync(file) ? Number(readFileSync(file, "utf8")) : process.pid;
  // After one that was killed its number may be another program's.
  if (other !== process.pid && textOf(`/proc/${other}/cmdline`).includes("setup-cuda"))
    die(`Another set-up works in ${scratch} (process ${other}); wait for it.`);
  writeFileSync(file, String(process.pid));
}

function textOf(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** @returns {any} */
function read(file) {
  try {
    return JSON.parse(textOf(file));
  } catch {
    return {};
  }
}

/** What an earlier set-up has of the same wheels needs not to be fetched again. */
function taken(target, libs) {
  /** @type {[string, { version: string, files: string[] }][]} */
  const known = Object.entries(read(path.join(target, ".setup.json")).wheels ?? {});
  const whole = known.filter(([, { files }]) => files.every((file) => existsSync(path.join(target, file))));
  for (const file of whole.flatMap(([, { files }]) => files))
    if (!existsSync(path.join(libs, file))) linkSync(path.join(target, file), path.join(libs, file));
  return Object.fromEntries(whole);
}

/** What the machine has of the libraries, of those that load and that nobody else can change: `{ soname: path }`. */
async function alreadyThere(libraries) {
  const { distrust } = await import("../dist/trust.js");
  const koffi = require("koffi");
  const ldconfig = spawnSync("/sbin/ldconfig", ["-p"], { encoding: "utf8" }).stdout ?? "";
  const code =
    "import json, site, sysconfig; p = sysconfig.get_paths(); print(json.dumps([p['purelib'], p['platlib'], site.getusersitepackages()]))";
  const python = spawnSync("python3", ["-c", code], { encoding: "utf8" });
  const sites = python.status === 0 ? [...new Set(JSON.parse(python.stdout))] : [];
  const found = {};
  for (const [soname, files] of Object.entries(
    candidates(libraries, fromLdconfig(ldconfig), libraryFolders({ sites })),
  )) {
    for (const file of files) {
      const doubt = distrust(path.dirname(file), "contents");
      if (doubt !== null) {
        say(`${file} is not used: ${doubt}`);
        continue;
      }
      try {
        koffi.load(file, { global: true });
        found[soname] = file;
        break;
      } catch (error) {
        say(`${file} is not used: ${error.message.split("\n")[0]}`);
      }
    }
  }
  return found;
}

/** Loads it as the program does; with a card a convolution is held against the processor's. */
async function verify(device, target, version) {
  const { loadProviderLibraries, requireProvider } = await import("../dist/explain/engines/providers/providers.js");
  loadProviderLibraries(device, target);
  const size = readdirSync(target).reduce((sum, name) => sum + statSync(path.join(target, name)).size, 0);
  say(`the provider of onnxruntime ${version} and its libraries are in ${target}, ${gib(size)} GB, and load`);
  let cards;
  try {
    cards = requireProvider(device, target);
  } catch (error) {
    if (error.code !== "engine-missing") throw error;
    say(`nothing was run: ${error.message}`);
    return;
  }
  const apart = await compared(device);
  say(
    `${cards.map(({ name }) => name).join(", ")}: a convolution is ${apart.toExponential(1)} apart from the processor's`,
  );
  if (!(apart < 0.01)) die("The provider was set up but its results are wrong; take another device.");
}

async function compared(device) {
  const { onnxruntimeRunner } = await import("../dist/explain/engines/onnxruntime.js");
  const { Emitter } = await import("../dist/explain/program/emitter.js");
  const values = (count, step) => Float32Array.from({ length: count }, (_, k) => Math.sin(k * step));
  const e = new Emitter();
  const x = e.input("x", "float32", [-1, 4, 9, 9]);
  const w = e.tensor(values(180, 0.7), [5, 4, 3, 3]);
  const y = e.conv(x, w, undefined, { kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1] });
  e.output(y, "y", "float32", [-1, 5, 9, 9]);
  const program = e.finish();
  const run = async (on) => {
    const runner = await onnxruntimeRunner(program, { device: on, threads: 1 });
    const { y } = await runner.run({ x: { data: values(648, 0.3), dims: [2, 4, 9, 9] } });
    await runner.close();
    return Array.from(/** @type {Float32Array} */ (y.data));
  };
  const [here, there] = [await run("cpu"), await run(device)];
  return Math.max(...here.map((value, k) => Math.abs(value - there[k])));
}

try {
  const device = process.argv[2] ?? "cuda";
  if (device !== "cuda" && device !== "tensorrt") die(`${device} is neither cuda nor tensorrt.`);
  await setup(/** @type {"cuda" | "tensorrt"} */ (device));
} catch (error) {
  // A fault of this script itself shows where it lies; one of the disk is a sentence.
  const known = error instanceof SetupError || error.name === "VideoExplainerError" || error.syscall;
  if (!known) throw error;
  console.error(error.message);
  process.exit(1);
}
