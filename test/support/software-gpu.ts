import { existsSync } from "node:fs";
import { afterAll, beforeAll } from "vitest";
import type { Runner } from "../../src/explain/engines/engine.js";
import { onnxruntimeRunner } from "../../src/explain/engines/onnxruntime.js";
import { Emitter } from "../../src/explain/program/emitter.js";

/** SwiftShader, a Vulkan device that computes on the processor: Debian's package chromium brings it. */
const DRIVER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** The environment in which the device `webgpu` is SwiftShader, whatever card the machine has. */
export const SOFTWARE_GPU = { VK_DRIVER_FILES: DRIVER } as const;

/** The same for this process. Fails with what to do where the driver is missing. */
export function requireSoftwareGpu(): void {
  if (!existsSync(DRIVER))
    throw new Error(`${DRIVER} is missing; run npm test, or apt-get install chromium libvulkan1`);
  Object.assign(process.env, SOFTWARE_GPU);
}

/**
 * The software GPU for the tests of this block. A session on it stays open: onnxruntime keeps what it compiled, which is nearly all of the
 * time, only as long as there is one.
 */
export function openSoftwareGpu(): void {
  let session: Runner | undefined;
  beforeAll(async () => {
    requireSoftwareGpu();
    const e = new Emitter();
    e.output(e.relu(e.input("x", "float32", [-1])), "y", "float32", [-1]);
    session = await onnxruntimeRunner(e.finish(), { device: "webgpu", threads: 1, skipValidation: true });
  });
  afterAll(() => session?.close());
}
