// node look-process.js: tells the process that asked which devices Vulkan and OpenVINO find here. A process of its own, for drivers that
// are loaded may write to the terminal, take long, or fall.
import { createRequire } from "node:module";
import { endWithParent } from "../end-with-parent.js";
import { openVino } from "../openvino/library.js";
import type { Seen, VulkanDevice } from "./look.js";

/** Sizes and places in the structures of vulkan_core.h, version 1.0. */
const LOADER = { linux: "libvulkan.so.1", darwin: "libvulkan.1.dylib", win32: "vulkan-1.dll" } as Record<
  string,
  string
>;
const INSTANCE_CREATE_INFO = { type: 1, bytes: 64 };
const PROPERTIES = { driver: 4, vendor: 8, device: 12, type: 16, name: 20, nameEnd: 276, bytes: 1024 };
const MAX_DEVICES = 16;
const [POINTER, INCOMPLETE, CPU] = [8, 5, 4];

function vulkanDevices(): VulkanDevice[] {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi").default;
  const loader = koffi.load(LOADER[process.platform]!);
  const info = Buffer.alloc(INSTANCE_CREATE_INFO.bytes);
  info.writeUInt32LE(INSTANCE_CREATE_INFO.type);
  const instance: unknown[] = [null];
  const create = loader.func("int vkCreateInstance(void *info, void *allocator, _Out_ void **instance)");
  if (create(info, null, instance) !== 0) return [];
  const count = [MAX_DEVICES];
  const devices = Buffer.alloc(MAX_DEVICES * POINTER);
  const list = loader.func("int vkEnumeratePhysicalDevices(void *instance, _Inout_ uint32_t *count, void *devices)");
  if (![0, INCOMPLETE].includes(list(instance[0], count, devices) as number)) return [];
  const describe = loader.func("void vkGetPhysicalDeviceProperties(void *device, void *properties)");
  return Array.from({ length: count[0]! }, (_, k) => {
    const properties = Buffer.alloc(PROPERTIES.bytes);
    describe(devices.readBigUInt64LE(k * POINTER), properties);
    const name = properties.toString("utf8", PROPERTIES.name, PROPERTIES.nameEnd).split("\0")[0]!;
    const at = (offset: number): number => properties.readUInt32LE(offset);
    const driver = [PROPERTIES.vendor, PROPERTIES.device, PROPERTIES.driver].map((offset) => at(offset).toString(16));
    return { name, driver: driver.join(":"), software: at(PROPERTIES.type) === CPU };
  });
}

/** What a look finds; nothing where what looks is not installed. */
function found<T>(look: () => T[]): T[] {
  try {
    return look();
  } catch {
    return [];
  }
}

endWithParent();
const seen: Seen = { vulkan: found(vulkanDevices), openvino: found(() => openVino().devices()) };
process.send!(seen, () => process.exit(0));
