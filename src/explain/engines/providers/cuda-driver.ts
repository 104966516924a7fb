import { VideoExplainerError } from "../../../errors.js";
import { CUDA_VERSION } from "./libraries.js";

type Koffi = typeof import("koffi").default;

/** A graphics card, as NVIDIA's driver describes it. */
export interface CudaDevice {
  name: string;
  memoryBytes: number;
  /** Its architecture, such as `9.0`. */
  computeCapability: string;
  /** Its place on the bus, by which every tool of NVIDIA's knows it. */
  busId: string;
}

const DRIVER = "libcuda.so.1";
const NO_DEVICE = 100;
const [MAJOR, MINOR] = [75, 76];
const WORDS = 256;

/**
 * The graphics cards that this process sees, first that which is used.
 * @throws VideoExplainerError `engine-missing` where there is no driver, an old one, or no card
 */
export function cudaDevices(koffi: Koffi, driver = DRIVER): CudaDevice[] {
  let library: ReturnType<Koffi["load"]>;
  try {
    library = koffi.load(driver, { global: true });
  } catch (cause) {
    throw missing(
      "there is no CUDA device here: NVIDIA's driver is not installed (libcuda.so.1); install it, in a container start with --gpus all, or take another device",
      cause,
    );
  }
  const call = (declaration: string) => {
    const func = library.func(declaration);
    return (...words: unknown[]): number => func(...words) as number;
  };
  const number = (func: (...words: unknown[]) => number, ...words: unknown[]): number => {
    const made: unknown[] = [0];
    fails(func(made, ...words));
    return Number(made[0]);
  };
  const text = (func: (...words: unknown[]) => number, device: number): string => {
    const memory = Buffer.alloc(WORDS);
    fails(func(memory, WORDS, device));
    return memory.toString("latin1", 0, memory.indexOf(0));
  };
  const version = number(call("int cuDriverGetVersion(_Out_ int *version)"));
  const [major, minor] = [Math.floor(version / 1000), Math.floor((version % 1000) / 10)];
  if (major < CUDA_VERSION.major) {
    throw missing(
      `NVIDIA's driver here runs CUDA ${major}.${minor} and onnxruntime's provider needs ${CUDA_VERSION.major}.${CUDA_VERSION.minor}; update the driver, or take another device`,
    );
  }
  fails(call("int cuInit(uint flags)")(0));
  const count = number(call("int cuDeviceGetCount(_Out_ int *count)"));
  if (count === 0) throw noDevice();
  const get = call("int cuDeviceGet(_Out_ int *device, int ordinal)");
  const nameOf = call("int cuDeviceGetName(void *name, int words, int device)");
  const busOf = call("int cuDeviceGetPCIBusId(void *name, int words, int device)");
  const memoryOf = call("int cuDeviceTotalMem_v2(_Out_ size_t *bytes, int device)");
  const attributeOf = call("int cuDeviceGetAttribute(_Out_ int *value, int attribute, int device)");
  return Array.from({ length: count }, (_, k) => {
    const device = number(get, k);
    return {
      name: text(nameOf, device),
      memoryBytes: number(memoryOf, device),
      computeCapability: `${number(attributeOf, MAJOR, device)}.${number(attributeOf, MINOR, device)}`,
      busId: text(busOf, device),
    };
  });
}

function fails(status: number): void {
  if (status === NO_DEVICE) throw noDevice();
  if (status !== 0)
    throw missing(`NVIDIA's driver does not start here (error ${status}); see nvidia-smi, or take another device`);
}

const noDevice = (): VideoExplainerError => {
  const visible = process.env.CUDA_VISIBLE_DEVICES;
  const shown = visible === undefined ? "" : ` that CUDA_VISIBLE_DEVICES=${visible} lets this process see`;
  return missing(
    `there is no CUDA device here${shown}; see nvidia-smi, in a container start with --gpus all, or take another device`,
  );
};

const missing = (sentence: string, cause?: unknown): VideoExplainerError =>
  new VideoExplainerError("engine-missing", sentence, { cause });
