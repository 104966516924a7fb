import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { VideoExplainerError } from "../../../errors.js";
import { distrust } from "../../../trust.js";
import { type CudaDevice, cudaDevices } from "./cuda-driver.js";
import {
  librariesOf,
  type NeededLibrary,
  type ProviderDevice,
  providerFile,
  providersFolder,
  RUNTIME_FILE,
  readSetup,
  type Setup,
  SHARED_FILE,
} from "./libraries.js";

type Koffi = typeof import("koffi").default;
const require = createRequire(import.meta.url);
const NAMES: Record<ProviderDevice, string> = { cuda: "CUDA", tensorrt: "TensorRT" };

export const installedVersion = (): string => (require("onnxruntime-node/package.json") as { version: string }).version;

/**
 * Lets onnxruntime find the providers that `npm run setup:cuda` fetched. It looks for them beside its own library, and
 * nothing else says where: so that library is loaded from their folder, where a copy of it lies, and onnxruntime-node
 * finds it loaded. To be called before onnxruntime-node is loaded; where it does nothing, `requireProvider` says why.
 */
export function joinProviders(folder = providersFolder()): void {
  if (folder === undefined || readSetup(folder)?.onnxruntime !== installedVersion()) return;
  if (distrust(folder, "contents") !== null) return;
  try {
    (require("koffi") as Koffi).load(path.join(folder, RUNTIME_FILE));
  } catch {
    // The library of onnxruntime-node itself runs everything but these providers.
  }
}

/**
 * Loads what a provider needs, in the order in which it is needed, so that it is found loaded when the provider asks for it
 * by name; gives the graphics cards.
 * @throws VideoExplainerError `engine-missing`: what is not there, and what brings it
 */
export function requireProvider(device: ProviderDevice, folder = providersFolder()): CudaDevice[] {
  const setup = checkedSetup(device, folder);
  const koffi = loadKoffi();
  const devices = cudaDevices(koffi);
  loadLibraries(koffi, device, folder!, setup);
  return devices;
}

/** All of `requireProvider` that needs no card, nor its driver. */
export function loadProviderLibraries(device: ProviderDevice, folder = providersFolder()): void {
  const setup = checkedSetup(device, folder);
  loadLibraries(loadKoffi(), device, folder!, setup);
}

/** The cards alone, for those who would describe them. */
export const graphicsCards = (): CudaDevice[] => cudaDevices(loadKoffi());

function checkedSetup(device: ProviderDevice, folder: string | undefined): Setup {
  const command = `run npm run setup:${device}`;
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) {
    throw missing(`${NAMES[device]} runs on Linux alone, on x86-64 and arm64; take another device`);
  }
  if (folder === undefined) throw missing("CUDA is turned off by CUDA_LIBRARIES=off; unset it, or take another device");
  const setup = readSetup(folder);
  if (setup === undefined || !setup.providers.includes(device)) {
    throw missing(`${NAMES[device]} is not set up here; ${command}, or take another device`);
  }
  const installed = installedVersion();
  if (setup.onnxruntime !== installed) {
    throw missing(
      `the provider for ${NAMES[device]} in ${folder} is that of onnxruntime ${setup.onnxruntime}, and ${installed} is installed; ${command}`,
    );
  }
  for (const file of [RUNTIME_FILE, SHARED_FILE, providerFile(device)]) {
    if (!existsSync(path.join(folder, file)))
      throw missing(`${path.join(folder, file)} is not there any more; ${command}`);
  }
  const doubt = distrust(folder, "contents");
  if (doubt !== null) throw missing(`${NAMES[device]} is not loaded: ${doubt}`);
  return setup;
}

function loadKoffi(): Koffi {
  try {
    return require("koffi") as Koffi;
  } catch (cause) {
    throw missing("CUDA needs the package koffi, which is not installed; run npm ci", cause);
  }
}

function loadLibraries(koffi: Koffi, device: ProviderDevice, folder: string, setup: Setup): void {
  for (const library of librariesOf(device)) {
    const file = placeOf(library, folder, setup);
    const doubt =
      path.isAbsolute(file) && path.dirname(file) !== folder ? distrust(path.dirname(file), "contents") : null;
    if (doubt !== null) throw missing(`${NAMES[device]} is not loaded: ${doubt}`);
    for (const each of [...companions(file), file]) {
      try {
        koffi.load(each, { global: true });
      } catch (cause) {
        const known = path.isAbsolute(each) && existsSync(each);
        const why = (cause as Error).message.split("\n")[0]!;
        throw missing(
          known
            ? `${each}, which ${NAMES[device]} needs, cannot be loaded (${why}); remove it and run npm run setup:${device}`
            : `${library.soname}, which ${NAMES[device]} needs, is neither in ${folder} nor where the system looks for libraries; ${bringing(library, device)}`,
          cause,
        );
      }
    }
  }
}

const bringing = ({ wheel }: NeededLibrary, device: ProviderDevice): string =>
  wheel === undefined
    ? "install TensorRT 10 for CUDA 13, then run npm run setup:tensorrt"
    : `run npm run setup:${device}`;

/** Where a library lies; its name alone where only the system knows. */
function placeOf({ soname }: NeededLibrary, folder: string, { elsewhere }: Setup): string {
  const own = path.join(folder, soname);
  if (existsSync(own)) return own;
  const known = elsewhere[soname];
  return known !== undefined && path.isAbsolute(known) && statSync(known, { throwIfNoEntry: false }) ? known : soname;
}

/** The runtime compiler asks for its own headers' library by name, wherever it lies itself. */
function companions(file: string): string[] {
  if (!path.isAbsolute(file) || !path.basename(file).startsWith("libnvrtc.so")) return [];
  const folder = path.dirname(file);
  return readdirSync(folder)
    .filter((name) => /^libnvrtc-builtins\.so\.[\d.]+$/.test(name))
    .map((name) => path.join(folder, name));
}

/**
 * What onnxruntime says of a provider that it cannot use, as part of a sentence: of its several lines those of its own
 * sources say nothing to a user, and of a library that does not load it says nothing at all.
 */
export function providerWords(message: string, device: ProviderDevice, folder = providersFolder()): string {
  const cuda = /(CUDA|CUDNN|CUBLAS) failure \d+: ([^;]+?) *;/.exec(message);
  if (cuda) return cuda[0].replace(/ *;$/, "");
  const first = message.split("\n")[0]!;
  if (!/Failed to load shared library/i.test(message) || folder === undefined) return first;
  try {
    // By now what it shares with onnxruntime is loaded, so that what is missing is what is missing.
    loadKoffi().load(path.join(folder, providerFile(device)));
    return `${first}; onnxruntime was loaded before npm run setup:${device} had ended, start again`;
  } catch (error) {
    return (error as Error).message.split("\n")[0]!;
  }
}

const missing = (sentence: string, cause?: unknown): VideoExplainerError =>
  new VideoExplainerError("engine-missing", sentence, { cause });
