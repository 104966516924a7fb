import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { cacheHome } from "../../../cache-home.js";

/** A library that a provider of onnxruntime loads, and the wheel on PyPI that holds it; none where no wheel does. */
export interface NeededLibrary {
  soname: string;
  wheel?: string;
}

/** The version of CUDA that the provider is built for: its driver, and libraries of the same major version, run it. */
export const CUDA_VERSION = { major: 13, minor: 0 } as const;

/**
 * In the order in which they are loaded: each needs only those before it. The provider would load cuFFT as well, for
 * Fourier transforms, which no program here has.
 */
export const CUDA_LIBRARIES: readonly NeededLibrary[] = [
  { soname: "libcudart.so.13", wheel: "nvidia-cuda-runtime" },
  { soname: "libcublasLt.so.13", wheel: "nvidia-cublas" },
  { soname: "libcublas.so.13", wheel: "nvidia-cublas" },
  { soname: "libcurand.so.10", wheel: "nvidia-curand" },
  { soname: "libnvrtc.so.13", wheel: "nvidia-cuda-nvrtc" },
  { soname: "libcudnn.so.9", wheel: "nvidia-cudnn-cu13" },
];

/** TensorRT is on PyPI only as packages that fetch it from elsewhere when they are installed. */
export const TENSORRT_LIBRARIES: readonly NeededLibrary[] = [
  { soname: "libnvinfer.so.10" },
  { soname: "libnvonnxparser.so.10" },
];

/** Devices that onnxruntime runs on through a library of its own. */
export type ProviderDevice = "cuda" | "tensorrt";
export const isProviderDevice = (device: string): device is ProviderDevice =>
  device === "cuda" || device === "tensorrt";

export const librariesOf = (device: ProviderDevice): readonly NeededLibrary[] =>
  device === "cuda" ? CUDA_LIBRARIES : [...CUDA_LIBRARIES, ...TENSORRT_LIBRARIES];

/** The provider's own file. */
export const providerFile = (device: ProviderDevice): string => `libonnxruntime_providers_${device}.so`;
/** What the providers share, and onnxruntime itself, of the version of onnxruntime-node. */
export const SHARED_FILE = "libonnxruntime_providers_shared.so";
export const RUNTIME_FILE = "libonnxruntime.so.1";

/** What `npm run setup:cuda` says of a folder that it made. */
export interface Setup {
  /** Version of onnxruntime-node that the providers are of. */
  onnxruntime: string;
  providers: readonly ProviderDevice[];
  /** Where the machine had a library already, by soname. */
  elsewhere: Readonly<Record<string, string>>;
}

export const SETUP_FILE = ".setup.json";

/**
 * Folder with the providers and CUDA's libraries: where `npm run setup:cuda` puts them, or what CUDA_LIBRARIES names; `off`
 * there means none.
 */
export function providersFolder(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env.CUDA_LIBRARIES;
  if (given === "off") return undefined;
  return given ? path.resolve(given) : path.join(cacheHome(env), "cuda", "libs");
}

/** What is known of a folder; undefined where nothing is set up, or not to its end. */
export function readSetup(folder: string): Setup | undefined {
  const file = path.join(folder, SETUP_FILE);
  if (!existsSync(file)) return undefined;
  try {
    const { onnxruntime, providers, elsewhere } = JSON.parse(readFileSync(file, "utf8")) as Partial<Setup>;
    if (typeof onnxruntime !== "string" || !Array.isArray(providers)) return undefined;
    return { onnxruntime, providers: providers.filter(isProviderDevice), elsewhere: { ...elsewhere } };
  } catch {
    return undefined;
  }
}
