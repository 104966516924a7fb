import { existsSync, readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import path from "node:path";
import { workerUrl } from "../../../worker-url.js";
import type { Device, EngineName } from "../../engine-names.js";
import { startOwn } from "../own-process.js";

/** A device beside the processor that an engine may run on. */
export interface Accelerator {
  engine: EngineName;
  device: Device;
  /** For people, such as `NVIDIA GeForce RTX 4070`. */
  name: string;
  /** All that is known of device and driver: what was found out with another is not true of this one. */
  identity: string;
}

export interface VulkanDevice {
  name: string;
  /** Vendor, device and driver version, as Vulkan has them. */
  driver: string;
  /** It computes on the processor. */
  software: boolean;
}

/** What was seen by a process that loaded the drivers. */
export interface Seen {
  vulkan: VulkanDevice[];
  openvino: { id: string; name: string; driver: string }[];
}

/** Drivers that take longer to be asked are not there. */
const MAX_LOOK_MS = 20_000;
/** Files of `/dev` that a driver of a graphics card or another accelerator makes; `dxg` is Windows's, in WSL. */
const NODES = { nvidia: /^nvidia\d+$/, wsl: /^dxg$/, render: /^dri\/renderD\d+$/, accelerator: /^accel\/accel\d+$/ };

/** Looks for what there is beside the processor. Without a driver that costs a listing of `/dev`. */
export async function lookForDevices(root = "/"): Promise<Accelerator[]> {
  if (process.platform !== "linux") {
    const system = `${process.platform} ${release()}`;
    return [{ engine: "onnxruntime", device: "webgpu", name: "the system's graphics card", identity: system }];
  }
  const nodes = deviceNodes(root);
  if (nodes.length === 0) return [];
  const has = (kind: RegExp): boolean => nodes.some((node) => kind.test(node));
  const nvidia = has(NODES.nvidia) || has(NODES.wsl) ? nvidiaCard(root) : undefined;
  return acceleratorsOf(await seenBy(), nvidia);
}

/** Of what was seen, what a program may run on, with the kernel's version, which changes drivers too. */
export function acceleratorsOf(seen: Seen, nvidia?: { name: string; driver: string }): Accelerator[] {
  const accelerators: Accelerator[] = [];
  const add = (engine: EngineName, device: Device, name: string, ...identity: string[]): void =>
    void accelerators.push({ engine, device, name, identity: [name, ...identity, release()].join("; ") });
  if (nvidia) {
    add("onnxruntime", "cuda", nvidia.name, nvidia.driver);
    add("onnxruntime", "tensorrt", nvidia.name, nvidia.driver);
  }
  const cards = seen.vulkan.filter(({ software }) => !software);
  if (cards.length > 0)
    add("onnxruntime", "webgpu", cards.map(({ name }) => name).join(", "), ...cards.map(({ driver }) => driver));
  for (const [plugin, device] of [
    ["GPU", "intel-gpu"],
    ["NPU", "intel-npu"],
  ] as const) {
    const own = seen.openvino.filter(({ id }) => id.split(".")[0] === plugin);
    if (own.length > 0) add("openvino", device, own[0]!.name, ...own.map(({ driver }) => driver));
  }
  return accelerators;
}

/** What is known of the devices here, software adapters too: of one that is asked for by name any may be it. */
export async function identityOf(): Promise<string> {
  const { vulkan, openvino } = await seenBy();
  const seen = [...vulkan, ...openvino.filter(({ id }) => id !== "CPU")].map(({ name, driver }) => `${name} ${driver}`);
  const nvidia = nvidiaCard("/");
  return [...(nvidia.driver ? [nvidia.name, nvidia.driver] : []), ...seen, release()].join("; ");
}

function deviceNodes(root: string): string[] {
  const kinds = Object.values(NODES);
  return ["", "dri", "accel"]
    .flatMap((folder) => list(path.join(root, "dev", folder)).map((name) => path.posix.join(folder, name)))
    .filter((node) => kinds.some((kind) => kind.test(node)));
}

/** NVIDIA's cards, as their driver's files describe them; nothing but a name where there are none, as in WSL. */
function nvidiaCard(root: string): { name: string; driver: string } {
  const folder = path.join(root, "proc/driver/nvidia");
  const cards = list(path.join(folder, "gpus")).map((card) => read(path.join(folder, "gpus", card, "information")));
  const names = cards.flatMap((described) => /^Model:\s*(.+)$/m.exec(described)?.[1]?.trim() ?? []);
  const version = read(path.join(folder, "version")).split("\n")[0]!.trim();
  const visible = process.env.CUDA_VISIBLE_DEVICES;
  return {
    name: names.join(", ") || "a card of NVIDIA's",
    // Of several cards it tells which one is meant.
    driver: names.length > 1 && visible !== undefined ? `${version}; CUDA_VISIBLE_DEVICES=${visible}` : version,
  };
}

const list = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

const read = (file: string): string => {
  if (!existsSync(file)) return "";
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
};

/** Asks the drivers, in a process that is gone when they have answered. */
function seenBy(): Promise<Seen> {
  return new Promise((resolve) => {
    const child = startOwn(workerUrl(import.meta.url, "./look-process.js"), [], MAX_LOOK_MS);
    let seen: Seen = { vulkan: [], openvino: [] };
    child.on("message", (message) => {
      seen = message as Seen;
    });
    // What drivers write is read, and nobody is told.
    child.stderr?.resume();
    child.on("error", () => resolve(seen));
    child.on("close", () => resolve(seen));
  });
}
