import { mkdirSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { acceleratorsOf, lookForDevices, type Seen } from "../../../src/explain/engines/devices/look.js";
import { temporaryFolder } from "../../support/folders.js";

/** A root folder with these files. */
function root(files: Record<string, string> = {}): string {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}
const devices = (found: { device: string; name: string }[]): string[] =>
  found.map(({ device, name }) => `${device}: ${name}`);
const nothing: Seen = { vulkan: [], openvino: [] };

describe.runIf(process.platform === "linux")("what there is beside the processor", () => {
  it("is nothing where no driver has made a device, and no library is asked", async () => {
    expect(await lookForDevices(root())).toEqual([]);
    expect(await lookForDevices(root({ "dev/dri/card0": "", "dev/nvidiactl": "", "dev/video0": "" }))).toEqual([]);
  });

  it("is a card of NVIDIA's by its driver's own files", async () => {
    const version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06\nGCC version: 12\n";
    const found = await lookForDevices(
      root({
        "dev/nvidia0": "",
        "proc/driver/nvidia/version": version,
        "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA L4\nIRQ: 1\n",
      }),
    );
    const cuda = found.filter(({ device }) => device === "cuda" || device === "tensorrt");
    expect(devices(cuda)).toEqual(["cuda: NVIDIA L4", "tensorrt: NVIDIA L4"]);
    expect(cuda[0]!.identity).toBe(`NVIDIA L4; ${version.split("\n")[0]}; ${release()}`);
  });

  it("is, of several cards of NVIDIA's, another where another one is to be seen", async () => {
    const gpu = (slot: string, model: string) =>
      ({ [`proc/driver/nvidia/gpus/0000:0${slot}:00.0/information`]: `Model: ${model}\n` }) as const;
    const two = root({
      "dev/nvidia0": "",
      "proc/driver/nvidia/version": "580\n",
      ...gpu("1", "NVIDIA L4"),
      ...gpu("2", "NVIDIA T4"),
    });
    const cuda = async () => (await lookForDevices(two)).find(({ device }) => device === "cuda")!;
    try {
      vi.stubEnv("CUDA_VISIBLE_DEVICES", "1");
      const { name, identity } = await cuda();
      expect(name).toBe("NVIDIA L4, NVIDIA T4");
      vi.stubEnv("CUDA_VISIBLE_DEVICES", "0");
      expect((await cuda()).identity).not.toBe(identity);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("is no adapter that computes on the processor", () => {
    const software = { name: "llvmpipe", driver: "1", software: true };
    expect(acceleratorsOf({ ...nothing, vulkan: [software] })).toEqual([]);
    const card = { name: "AMD Radeon", driver: "2", software: false };
    expect(devices(acceleratorsOf({ ...nothing, vulkan: [software, card] }))).toEqual(["webgpu: AMD Radeon"]);
  });

  it("is Intel's graphics and neural processor as OpenVINO names them", () => {
    const seen = ["CPU", "GPU.0", "GPU.1", "NPU"].map((id) => ({ id, name: `Intel ${id}`, driver: "7" }));
    const found = acceleratorsOf({ ...nothing, openvino: seen });
    expect(devices(found)).toEqual(["intel-gpu: Intel GPU.0", "intel-npu: Intel NPU"]);
    expect(new Set(found.map(({ engine }) => engine))).toEqual(new Set(["openvino"]));
  });
});
