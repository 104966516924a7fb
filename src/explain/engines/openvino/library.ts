import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { cacheHome } from "../../../cache-home.js";
import { VideoExplainerError } from "../../../errors.js";
import { distrust } from "../../../trust.js";

type Koffi = typeof import("koffi").default;
/** Address of an object of OpenVINO's: the same in every thread of the process. */
export type Pointer = bigint;

/** What is called of OpenVINO's C API (openvino/c/*.h). Each throws what OpenVINO says when it fails. */
export interface OpenVino {
  readonly version: string;
  /** Whether the processor computes in bfloat16. */
  readonly bfloat16: boolean;
  /** Devices that it can compile for, as it calls them: `CPU`, `GPU`, `GPU.1`, `NPU`. */
  devices(): { id: string; name: string; driver: string }[];
  readModel(file: string): Pointer;
  compile(model: Pointer, device: string, properties: Readonly<Record<string, string>>): Pointer;
  createRequest(compiled: Pointer): Pointer;
  /** The memory of an input or output of a request, which stays the request's. */
  memory(request: Pointer, name: string): ArrayBuffer;
  infer(request: Pointer): void;
  freeModel(model: Pointer): void;
  freeCompiled(compiled: Pointer): void;
  freeRequest(request: Pointer): void;
  /** Frees what this thread holds beside; it is made again when it is needed. */
  release(): void;
}

const LIBRARY = /^(libopenvino_c\.so(\.\d+)*|libopenvino_c(\.\d+)*\.dylib|openvino_c\.dll)$/;
let loaded: OpenVino | undefined;

/**
 * Folder with OpenVINO's libraries: where `npm run setup:openvino` puts them, or what OPENVINO_LIBRARIES names; `off` there
 * means none.
 */
export function librariesFolder(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env.OPENVINO_LIBRARIES;
  if (given === "off") return undefined;
  return given ? path.resolve(given) : path.join(cacheHome(env), "openvino", "libs");
}

/**
 * OpenVINO of this thread.
 * @throws VideoExplainerError `engine-missing` where it is not set up or does not load
 */
export function openVino(): OpenVino {
  loaded ??= load();
  return loaded;
}

function load(): OpenVino {
  const folder = librariesFolder();
  const file = folder && libraryIn(folder);
  if (file === undefined) throw missing("is not set up here");
  const doubt = distrust(folder!, "contents");
  if (doubt !== null) throw new VideoExplainerError("engine-missing", `the engine openvino is not loaded: ${doubt}`);
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)("koffi") as Koffi;
  } catch (cause) {
    throw missing("needs the package koffi, which is not installed", cause);
  }
  try {
    return bind(koffi, path.join(folder!, file));
  } catch (cause) {
    throw missing(`cannot be loaded from ${folder} (${(cause as Error).message.split("\n")[0]})`, cause);
  }
}

function libraryIn(folder: string): string | undefined {
  try {
    return readdirSync(folder).find((name) => LIBRARY.test(name));
  } catch {
    return undefined;
  }
}

const missing = (what: string, cause?: unknown): VideoExplainerError =>
  new VideoExplainerError("engine-missing", `the engine openvino ${what}; run npm run setup:openvino`, { cause });

function bind(koffi: Koffi, file: string): OpenVino {
  const library = koffi.load(file);
  const lastWords = library.func("str ov_get_last_err_msg()");
  const fails = (status: number): void => {
    if (status === 0) return;
    const words = plainWords(lastWords() as string);
    throw new VideoExplainerError("engine-failed", `the engine openvino failed: ${words}`, { cause: words });
  };
  /** A function that gives what it makes by its last fixed parameter. */
  const maker = (declaration: string) => {
    const call = library.func(declaration);
    return (words: readonly unknown[], more: readonly unknown[] = []): unknown => {
      const made: unknown[] = [null];
      fails(call(...words, made, ...more) as number);
      return made[0];
    };
  };
  const createCore = maker("int ov_core_create(_Out_ void **core)");
  const readModel = maker("int ov_core_read_model(void *core, str model, str weights, _Out_ void **made)");
  const compile = maker(
    "int ov_core_compile_model(void *core, void *model, str device, size_t words, _Out_ void **made, ...)",
  );
  const property = maker("int ov_core_get_property(void *core, str device, str key, _Out_ void **value)");
  const createRequest = maker("int ov_compiled_model_create_infer_request(void *compiled, _Out_ void **made)");
  const tensorOf = maker("int ov_infer_request_get_tensor(void *request, str name, _Out_ void **made)");
  const dataOf = maker("int ov_tensor_data(void *tensor, _Out_ void **data)");
  const bytesOf = maker("int ov_tensor_get_byte_size(void *tensor, _Out_ size_t *bytes)");
  const list = devicesOf(koffi, library);
  const freeTensor = library.func("void ov_tensor_free(void *tensor)");
  const freeText = library.func("void ov_free(void *text)");
  const infer = library.func("int ov_infer_request_infer(void *request)");
  const freeCore = library.func("void ov_core_free(void *core)");
  const freeModel = library.func("void ov_model_free(void *model)");
  const freeCompiled = library.func("void ov_compiled_model_free(void *compiled)");
  const freeRequest = library.func("void ov_infer_request_free(void *request)");

  let made: Pointer | undefined;
  const core = (): Pointer => {
    made ??= createCore([]) as Pointer;
    return made;
  };
  const textOf = (key: string, device = "CPU"): string => {
    const text = property([core(), device, key]) as Pointer;
    try {
      return koffi.decode(text, "char", -1) as string;
    } finally {
      freeText(text);
    }
  };
  return {
    version: versionOf(koffi, library),
    bfloat16: textOf("OPTIMIZATION_CAPABILITIES")
      .split(/[\s,]+/)
      .includes("BF16"),
    devices: () =>
      namesOf(list, fails, core()).map((id) => {
        const known = (key: string): string => {
          try {
            return textOf(key, id);
          } catch {
            return "";
          }
        };
        // Each kind of device has another name for the version of its driver.
        const driver = ["GPU_DRIVER_VERSION", "NPU_DRIVER_VERSION", "DRIVER_VERSION", "DEVICE_UUID"].map(known);
        return { id, name: known("FULL_DEVICE_NAME"), driver: driver.join(" ").trim() };
      }),
    readModel: (model) => readModel([core(), model, null]) as Pointer,
    compile(model, device, properties) {
      const words = Object.entries(properties).flat();
      return compile(
        [core(), model, device, words.length],
        words.flatMap((word) => ["str", word]),
      ) as Pointer;
    },
    createRequest: (compiled) => createRequest([compiled]) as Pointer,
    memory(request, name) {
      const tensor = tensorOf([request, name]);
      try {
        return koffi.view(dataOf([tensor]), Number(bytesOf([tensor])));
      } finally {
        freeTensor(tensor);
      }
    },
    infer: (request) => fails(infer(request) as number),
    freeModel: (model) => freeModel(model),
    freeCompiled: (compiled) => freeCompiled(compiled),
    freeRequest: (request) => freeRequest(request),
    release() {
      if (made !== undefined) freeCore(made);
      made = undefined;
    },
  };
}

type Listed = (core: Pointer) => { status: number; names: string[] };

function devicesOf(koffi: Koffi, library: ReturnType<Koffi["load"]>): Listed {
  const struct = koffi.struct({ devices: "void *", size: "size_t" });
  const get = library.func("ov_core_get_available_devices", "int", ["void *", koffi.out(koffi.pointer(struct))]);
  const free = library.func("ov_available_devices_free", "void", [koffi.inout(koffi.pointer(struct))]);
  return (core) => {
    const found: { devices?: Pointer; size?: number } = {};
    const status = get(core, found) as number;
    if (status !== 0 || !found.size) return { status, names: [] };
    const names = koffi.decode(found.devices, "str", Number(found.size)) as string[];
    free(found);
    return { status, names };
  };
}

function namesOf(list: Listed, fails: (status: number) => void, core: Pointer): string[] {
  const { status, names } = list(core);
  fails(status);
  return names;
}

/** Of OpenVINO's several lines those that name places in its sources say nothing to a user. */
const plainWords = (words: string): string =>
  words
    .split("\n")
    .map((line) => line.trim())
    .find((line) => line !== "" && !/^(Exception from|Check ')/.test(line)) ?? "it does not say why";

function versionOf(koffi: Koffi, library: ReturnType<Koffi["load"]>): string {
  const struct = koffi.struct({ buildNumber: "str", description: "str" });
  const version: { buildNumber?: string } = {};
  const get = library.func("ov_get_openvino_version", "int", [koffi.out(koffi.pointer(struct))]);
  return get(version) === 0 ? (version.buildNumber ?? "") : "";
}
