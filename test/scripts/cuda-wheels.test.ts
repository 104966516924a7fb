import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  bytesNeeded,
  candidates,
  fromLdconfig,
  KEPT,
  libraryFolders,
  PROVIDER_WHEEL,
  pins,
  platforms,
  requirement,
  requirementLine,
  wheelsFor,
} from "../../scripts/cuda-wheels.mjs";
import { CUDA_LIBRARIES, CUDA_VERSION, librariesOf } from "../../src/explain/engines/providers/libraries.js";

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const WHEELS = pins(read("scripts/wheels.txt"));
const LOCKED: string = JSON.parse(read("package-lock.json")).packages["node_modules/onnxruntime-node"].version;
const HASH = "ab".repeat(32);

describe("the wheels of CUDA", () => {
  it("are read with all their checksums, those of both processors", () => {
    const text = `# words\na-b==1.2 \\\n    --hash=sha256:${HASH} \\\n    --hash=sha256:${HASH}\nc==3 \\\n    --hash=sha256:${HASH}\n`;
    expect(pins(text)).toEqual({
      "a-b": { version: "1.2", hashes: [HASH, HASH] },
      c: { version: "3", hashes: [HASH] },
    });
    for (const name of [PROVIDER_WHEEL, ...wheelsFor(CUDA_LIBRARIES, {})]) {
      expect(WHEELS[name]?.hashes, name).toHaveLength(2);
    }
  });

  it("hold the provider of the very version of onnxruntime-node that the lock file names", () => {
    expect(requirement(PROVIDER_WHEEL, LOCKED, WHEELS)).toEqual({ name: PROVIDER_WHEEL, ...WHEELS[PROVIDER_WHEEL] });
    expect(WHEELS[PROVIDER_WHEEL]?.version).toBe(LOCKED);
  });

  it("are those of another version where that is installed, whose checksum the registry alone knows", () => {
    const other = requirement(PROVIDER_WHEEL, "1.99.0", WHEELS);
    expect(other).toEqual({ name: PROVIDER_WHEEL, version: "1.99.0", hashes: [] });
    expect(requirementLine(other)).toBe("onnxruntime-gpu==1.99.0");
    expect(requirement("nvidia-cublas", "1.99.0", WHEELS).hashes).toHaveLength(2);
  });

  it("are asked for by version and checksum", () => {
    expect(requirementLine({ name: "a", version: "1", hashes: [HASH, HASH] })).toBe(
      `a==1 --hash=sha256:${HASH} --hash=sha256:${HASH}`,
    );
  });

  it("are fetched once each, and not for a library that the machine has", () => {
    expect(wheelsFor(CUDA_LIBRARIES, {})).toEqual([
      "nvidia-cuda-runtime",
      "nvidia-cublas",
      "nvidia-curand",
      "nvidia-cuda-nvrtc",
      "nvidia-cudnn-cu13",
    ]);
    const there = Object.fromEntries(CUDA_LIBRARIES.map(({ soname }) => [soname, "/x"]));
    expect(wheelsFor(CUDA_LIBRARIES, there)).toEqual([]);
    expect(wheelsFor(CUDA_LIBRARIES, { "libcublas.so.13": "/x" })).toContain("nvidia-cublas");
    expect(wheelsFor(librariesOf("tensorrt"), there), "TensorRT is in no wheel").toEqual([]);
  });

  it("are of the version of CUDA that the provider is built for", () => {
    expect(WHEELS["nvidia-cuda-runtime"]?.version).toMatch(
      new RegExp(`^${CUDA_VERSION.major}\\.${CUDA_VERSION.minor}\\.`),
    );
  });

  it("are those of this processor", () => {
    expect(platforms("x64")).toContain("manylinux_2_28_x86_64");
    expect(platforms("arm64")).toContain("manylinux_2_34_aarch64");
    expect(platforms("arm64").join()).not.toContain("x86");
  });

  it("need the room of all that stays and of the largest that is unpacked", () => {
    expect(bytesNeeded([])).toBe(0);
    expect(bytesNeeded(["nvidia-cuda-runtime"])).toBe(4 * 2 ** 20);
    const all = bytesNeeded([PROVIDER_WHEEL, ...wheelsFor(CUDA_LIBRARIES, {})]);
    expect(all).toBeGreaterThan(1.6e9);
    expect(all).toBeLessThan(2.5e9);
  });

  it.each([
    ["libcudnn_engines_precompiled.so.9", true],
    ["libnvrtc-builtins.so.13.0", true],
    ["libnvrtc.alt.so.13", false],
    ["libnvblas.so.13", false],
    ["libonnxruntime_providers_cuda.so", true],
    ["libonnxruntime.so.1.30.0", false],
  ])("give %s: %s", (name, taken) => expect(new RegExp(`^(?:${KEPT.library})$`).test(name)).toBe(taken));
});

describe("what a machine has of CUDA", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cuda-found-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const put = (name: string): string => {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, "");
    return file;
  };

  it("is read out of ldconfig's list", () => {
    const list =
      "2 libs found in cache\n\tlibcublas.so.13 (libc6,x86-64) => /usr/local/cuda/lib64/libcublas.so.13\n\tlibz.so.1 (libc6,x86-64) => /lib/libz.so.1\n";
    expect(fromLdconfig(list)).toEqual({
      "libcublas.so.13": "/usr/local/cuda/lib64/libcublas.so.13",
      "libz.so.1": "/lib/libz.so.1",
    });
  });

  it("is looked for in NVIDIA's installations and among Python's packages, newest first", () => {
    const [old, recent] = [put("local/cuda-13.0/lib64/libcublas.so.13"), put("local/cuda-13.1/lib64/libcublas.so.13")];
    const wheel = put("site/nvidia/cu13/lib/libcublas.so.13");
    const cudnn = put("site/nvidia/cudnn/lib/libcudnn.so.9");
    const nvinfer = put("site/tensorrt_libs/libnvinfer.so.10");
    const places = libraryFolders({ local: path.join(folder, "local"), sites: [path.join(folder, "site")] });
    const known = { "libcublas.so.13": "/known/libcublas.so.13" };
    const found = candidates(librariesOf("tensorrt"), known, places);
    expect(found["libcublas.so.13"]).toEqual([recent, old, wheel, "/known/libcublas.so.13"]);
    expect(found["libcudnn.so.9"]).toEqual([cudnn]);
    expect(found["libnvinfer.so.10"]).toEqual([nvinfer]);
    expect(found["libcudart.so.13"]).toEqual([]);
  });
});
