import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CUDA_LIBRARIES,
  librariesOf,
  providersFolder,
  readSetup,
} from "../../../src/explain/engines/providers/libraries.js";
import { installedVersion, providerWords } from "../../../src/explain/engines/providers/providers.js";

const DIST = fileURLToPath(new URL("../../../dist/explain/", import.meta.url));
const linux = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);

let folder: string;
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "providers-"));
  if (linux) makeLibraries(path.join(folder, "made"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A library of C that holds nothing but what is given. */
function library(file: string, source: string, more: readonly string[] = []): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const words = ["-shared", "-fPIC", `-Wl,-soname,${path.basename(file)}`, ...more, "-x", "c++", "-", "-o", file];
  execFileSync("g++", words, { input: `extern "C" { ${source} }` });
}

/** All that `npm run setup:cuda` fetches, of libraries that hold nothing; the providers need one that is gone. */
function makeLibraries(made: string): void {
  for (const { soname } of CUDA_LIBRARIES) library(path.join(made, soname), "");
  const bin = path.resolve("node_modules/onnxruntime-node/bin");
  const runtime = path.join(bin, readdirSync(bin)[0]!, "linux", process.arch, "libonnxruntime.so.1");
  copyFileSync(runtime, path.join(made, "libonnxruntime.so.1"));
  const bridge = "void Provider_SetHost(void*) {} void* Provider_GetHost() { return 0; }";
  library(path.join(made, "libonnxruntime_providers_shared.so"), bridge);
  const gone = path.join(folder, "libgone.so.7");
  library(gone, "");
  const needs = ["-Wl,--no-as-needed", `-L${folder}`, "-l:libgone.so.7"];
  for (const name of ["cuda", "tensorrt"]) {
    library(path.join(made, `libonnxruntime_providers_${name}.so`), "", needs);
  }
  rmSync(gone);
}

interface Made {
  version?: string;
  providers?: string[];
  without?: string;
  spoilt?: string;
  mode?: number;
}

/** A folder as `npm run setup:cuda` leaves it. */
function setUp({
  version = installedVersion(),
  providers = ["cuda"],
  without,
  spoilt,
  mode = 0o755,
}: Made = {}): string {
  const libs = path.join(folder, String(count++));
  mkdirSync(libs);
  for (const name of readdirSync(path.join(folder, "made"))) {
    if (name !== without && name !== spoilt) linkSync(path.join(folder, "made", name), path.join(libs, name));
  }
  if (spoilt) writeFileSync(path.join(libs, spoilt), "no library");
  writeFileSync(path.join(libs, ".setup.json"), JSON.stringify({ onnxruntime: version, providers, elsewhere: {} }));
  chmodSync(libs, mode);
  return libs;
}

/** A place where the loader finds a driver that is none, whatever this machine has. */
function noDriver(): string {
  const libs = path.join(folder, String(count++));
  mkdirSync(libs);
  writeFileSync(path.join(libs, "libcuda.so.1"), "no library");
  return libs;
}

/** A driver of NVIDIA's that says what is given. */
function driver(version: number, devices: number, start = 0): string {
  const libs = path.join(folder, String(count++));
  library(
    path.join(libs, "libcuda.so.1"),
    `int cuDriverGetVersion(int* v) { *v = ${version}; return 0; } int cuInit(unsigned) { return ${start}; }
    int cuDeviceGetCount(int* n) { *n = ${devices}; return 0; } int cuDeviceGet(int* d, int k) { *d = k; return 0; }
    int cuDeviceGetName(char* n, int, int) { n[0] = 'A'; n[1] = 0; return 0; }
    int cuDeviceGetPCIBusId(char* n, int, int) { n[0] = '1'; n[1] = 0; return 0; }
    int cuDeviceTotalMem_v2(unsigned long* b, int) { *b = 1ul << 33; return 0; }
    int cuDeviceGetAttribute(int* v, int a, int) { *v = a == 75 ? 9 : 0; return 0; }`,
  );
  return libs;
}

/** What the engine says on each device, in a process of its own: what is loaded once is loaded for good. */
function said(env: Record<string, string>, devices = ["cpu", "cuda"]): { lines: string[]; stderr: string } {
  const code = `
    import { onnxruntimeRunner } from ${JSON.stringify(pathToFileURL(path.join(DIST, "engines/onnxruntime.js")).href)};
    import { Emitter } from ${JSON.stringify(pathToFileURL(path.join(DIST, "program/emitter.js")).href)};
    const e = new Emitter();
    const x = e.input("x", "float32", [-1, 2]);
    e.output(e.add(x, x), "y", "float32", [-1, 2]);
    const program = e.finish();
    for (const device of ${JSON.stringify(devices)}) try {
      const runner = await onnxruntimeRunner(program, { device, threads: 1 });
      console.log((await runner.run({ x: { data: Float32Array.of(1, 2), dims: [1, 2] } })).y.data.join());
    } catch (error) { console.log(error.code + ": " + error.message); }`;
  const { CUDA_VISIBLE_DEVICES: _, ...rest } = process.env;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    encoding: "utf8",
    env: { ...rest, ...env },
  });
  return { lines: stdout.trim().split("\n"), stderr };
}

describe.runIf(linux)("a card that is asked for and cannot be had is one sentence, and the processor goes on", () => {
  const SYSTEM = "neither in FOLDER nor where the system looks for libraries; run npm run setup:cuda";
  const cases: [string, () => Record<string, string>, RegExp | string][] = [
    [
      "before the set-up",
      () => ({ CUDA_LIBRARIES: path.join(folder, "nowhere") }),
      "engine-missing: CUDA is not set up here; run npm run setup:cuda, or take another device",
    ],
    [
      "turned off",
      () => ({ CUDA_LIBRARIES: "off" }),
      "engine-missing: CUDA is turned off by CUDA_LIBRARIES=off; unset it, or take another device",
    ],
    [
      "with the provider of another version",
      () => ({ CUDA_LIBRARIES: setUp({ version: "1.2.3" }) }),
      `engine-missing: the provider for CUDA in FOLDER is that of onnxruntime 1.2.3, and ${installedVersion()} is installed; run npm run setup:cuda`,
    ],
    [
      "in a folder that others write",
      () => ({ CUDA_LIBRARIES: setUp({ mode: 0o777 }) }),
      "engine-missing: CUDA is not loaded: FOLDER can be written by other users; run chmod go-w on it",
    ],
    [
      "without a driver",
      () => ({ CUDA_LIBRARIES: setUp(), LD_LIBRARY_PATH: noDriver() }),
      "engine-missing: there is no CUDA device here: NVIDIA's driver is not installed (libcuda.so.1); install it, in a container start with --gpus all, or take another device",
    ],
    [
      "with an old driver",
      () => ({ CUDA_LIBRARIES: setUp(), LD_LIBRARY_PATH: driver(12040, 1) }),
      "engine-missing: NVIDIA's driver here runs CUDA 12.4 and onnxruntime's provider needs 13.0; update the driver, or take another device",
    ],
    [
      "with a driver that finds no card",
      () => ({ CUDA_LIBRARIES: setUp(), LD_LIBRARY_PATH: driver(13000, 0, 100) }),
      "engine-missing: there is no CUDA device here; see nvidia-smi, in a container start with --gpus all, or take another device",
    ],
    [
      "with no card that it may see",
      () => ({ CUDA_LIBRARIES: setUp(), LD_LIBRARY_PATH: driver(13000, 0), CUDA_VISIBLE_DEVICES: "7" }),
      "engine-missing: there is no CUDA device here that CUDA_VISIBLE_DEVICES=7 lets this process see; see nvidia-smi, in a container start with --gpus all, or take another device",
    ],
    [
      "with a driver that does not start",
      () => ({ CUDA_LIBRARIES: setUp(), LD_LIBRARY_PATH: driver(13000, 1, 999) }),
      "engine-missing: NVIDIA's driver does not start here (error 999); see nvidia-smi, or take another device",
    ],
    [
      "without a library of CUDA",
      () => ({ CUDA_LIBRARIES: setUp({ without: "libcublas.so.13" }), LD_LIBRARY_PATH: driver(13000, 1) }),
      `engine-missing: libcublas.so.13, which CUDA needs, is ${SYSTEM}`,
    ],
    [
      "with a library that is none",
      () => ({ CUDA_LIBRARIES: setUp({ spoilt: "libcurand.so.10" }), LD_LIBRARY_PATH: driver(13000, 1) }),
      /^engine-missing: FOLDER\/libcurand\.so\.10, which CUDA needs, cannot be loaded \(.*\); remove it and run npm run setup:cuda$/,
    ],
    [
      "with a provider that does not load",
      () => ({ CUDA_LIBRARIES: setUp(), LD_LIBRARY_PATH: driver(13000, 1) }),
      /^engine-refused: the engine onnxruntime cannot run this model on cuda \(.*libgone\.so\.7.*\)$/,
    ],
  ];
  it.each(cases)("%s", (_, environment, sentence) => {
    const env = environment();
    const { lines, stderr } = said(env);
    expect(stderr).toBe("");
    expect(lines[0]).toBe("2,4");
    const words = lines[1]!.replaceAll(env.CUDA_LIBRARIES!, env.CUDA_LIBRARIES === "off" ? "off" : "FOLDER");
    if (typeof sentence === "string") expect(words).toBe(sentence);
    else expect(words).toMatch(sentence);
    expect(lines).toHaveLength(2);
  });

  it("TensorRT without its own libraries", () => {
    const env = { CUDA_LIBRARIES: setUp({ providers: ["cuda", "tensorrt"] }), LD_LIBRARY_PATH: driver(13000, 1) };
    expect(said(env, ["tensorrt"]).lines[0]!.replaceAll(env.CUDA_LIBRARIES, "FOLDER")).toBe(
      "engine-missing: libnvinfer.so.10, which TensorRT needs, is neither in FOLDER nor where the system looks for libraries; install TensorRT 10 for CUDA 13, then run npm run setup:tensorrt",
    );
  });
});

/** What `npm run setup:cuda` says, each line and what went wrong. */
function setupSays(env: Record<string, string>, ...words: string[]): string {
  const script = path.resolve("scripts/setup-cuda.mjs");
  const { stdout, stderr } = spawnSync(process.execPath, [script, ...words], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return (stdout + stderr).replaceAll(env.CUDA_LIBRARIES ?? "FOLDER", "FOLDER");
}

describe.runIf(linux)("npm run setup:cuda", () => {
  it("finds what it has set up, and says that nothing was run where there is no card", () => {
    const says = setupSays({ CUDA_LIBRARIES: setUp(), LD_LIBRARY_PATH: noDriver() });
    expect(says).toMatch(
      /^- the provider of onnxruntime \S+ and its libraries are in FOLDER, \d+\.\d GB, and load\n- nothing was run: there is no CUDA device here: .*\n$/,
    );
  });

  it("takes no folder away from somebody", () => {
    const libs = path.join(folder, String(count++));
    mkdirSync(libs);
    writeFileSync(path.join(libs, "mine"), "");
    expect(setupSays({ CUDA_LIBRARIES: libs })).toBe(
      "FOLDER holds other files; name another folder in CUDA_LIBRARIES.\n",
    );
    expect(readdirSync(libs)).toEqual(["mine"]);
  });

  it("says what TensorRT needs that PyPI does not hold", () => {
    const libs = setUp();
    expect(setupSays({ CUDA_LIBRARIES: libs, CUDA_FETCH: "all" }, "tensorrt")).toMatch(
      /^TensorRT 10 for CUDA 13 is not installed \(libnvinfer\.so\.10 and libnvonnxparser\.so\.10\), and PyPI holds only .*\.\n$/,
    );
    expect(readdirSync(libs)).toContain("libcublas.so.13");
  });

  it("refuses another device", () => {
    expect(setupSays({}, "opencl")).toBe("opencl is neither cuda nor tensorrt.\n");
  });
});

describe("the folder of CUDA's libraries", () => {
  it("is that of the cache, or what CUDA_LIBRARIES names", () => {
    expect(providersFolder({ XDG_CACHE_HOME: "/c" })).toBe("/c/video-explainer/cuda/libs");
    expect(providersFolder({ CUDA_LIBRARIES: "/own" })).toBe("/own");
    expect(providersFolder({ CUDA_LIBRARIES: "off" })).toBeUndefined();
  });

  it("is not set up while what says so is not whole", () => {
    const libs = path.join(folder, "half");
    mkdirSync(libs);
    for (const text of [
      '{"onnxruntime": "1.2.3"',
      "null",
      '{"providers": ["cuda"]}',
      '{"onnxruntime": 1, "providers": []}',
    ]) {
      writeFileSync(path.join(libs, ".setup.json"), text);
      expect(readSetup(libs), text).toBeUndefined();
    }
    writeFileSync(path.join(libs, ".setup.json"), '{"onnxruntime": "1.2.3", "providers": ["cuda", "else"]}');
    expect(readSetup(libs)).toEqual({ onnxruntime: "1.2.3", providers: ["cuda"], elsewhere: {} });
  });

  it("needs for TensorRT what it needs for CUDA", () => {
    expect(librariesOf("tensorrt")).toEqual(expect.arrayContaining([...CUDA_LIBRARIES]));
  });
});

describe("what onnxruntime says of a card", () => {
  it("is cut down to what CUDA says", () => {
    const words =
      "/src/cuda_call.cc:154 std::conditional_t<THRW, void> CUDA failure 2: out of memory ; GPU=0 ; hostname=x ; expr=cudaMalloc(&p, size); \n\n";
    expect(providerWords(words, "cuda", undefined)).toBe("CUDA failure 2: out of memory");
    expect(providerWords("No kernel for Foo\nmore", "cuda", undefined)).toBe("No kernel for Foo");
  });
});
